import { describe, expect, test } from "vitest";
import { type VerbEntry, verbs } from "../../../cli/verbs.ts";
import { FakePmd } from "./fake-pmd.ts";
import { type Ended, runPmctl } from "./run-pmctl.ts";

const pmctl = (...argv: string[]): Promise<Ended> => runPmctl(argv, { transport: new FakePmd().transport });

function commandsOf(entries: readonly VerbEntry[], parents: readonly string[] = []): string[][] {
  return entries.flatMap((entry) => (entry.verbs ? commandsOf(entry.verbs, [...parents, entry.name]) : [[...parents, entry.name]]));
}

describe("help", () => {
  test("pmctl alone is its help, and no error", async () => {
    const alone = await pmctl();
    expect(alone).toEqual(await pmctl("--help"));
    expect(alone).toMatchObject({ exitCode: 0, err: "" });
  });

  test("every verb is in it, and it fits a screen", async () => {
    const lines = (await pmctl()).out.split("\n");
    for (const { name, summary } of verbs) expect(lines.some((line) => line.includes(name) && line.includes(summary))).toBe(true);
    expect(lines.length).toBeLessThanOrEqual(50);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
  });

  test.each(commandsOf(verbs).map((words) => [words.join(" "), words] as const))(
    "%s has two to six examples, and each begins with a verb that there is",
    async (name, words) => {
      const { out, exitCode } = await pmctl(...words, "--help");
      expect(exitCode).toBe(0);
      const examples = out.slice(out.indexOf("\nExamples:\n")).match(/^ {2}\S.*$/gm) ?? [];
      expect(examples.length).toBeGreaterThanOrEqual(2);
      expect(examples.length).toBeLessThanOrEqual(6);
      for (const example of examples) expect(example).toMatch(/pmctl (--version|[a-z-]+)/);
      expect(out).toContain(`Usage: pmctl ${name.split(" ")[0]}`);
    },
  );

  test("help of a verb is the same from both ends", async () => {
    expect(await pmctl("help", "stop")).toEqual(await pmctl("stop", "--help"));
    expect(await pmctl("help", "daemon", "stop")).toEqual(await pmctl("daemon", "stop", "--help"));
  });
});

describe("the command line", () => {
  test("an unknown verb is refused with the one that was meant", async () => {
    expect(await pmctl("strat", "web")).toMatchObject({ exitCode: 2, err: expect.stringContaining("Did you mean start?") });
  });

  test("an unknown option is refused with the one that was meant", async () => {
    expect(await pmctl("stop", "web", "--garce", "5s")).toMatchObject({ exitCode: 2, err: expect.stringContaining("Did you mean --grace?") });
  });

  test("a bad value is refused by the name of its option", async () => {
    expect(await pmctl("stop", "web", "--grace", "5x")).toMatchObject({ exitCode: 2, err: expect.stringMatching(/^error: --grace: "5x"/) });
    expect(await pmctl("ps", "-o", "yaml")).toMatchObject({ exitCode: 2, err: expect.stringMatching(/^error: -o: "yaml"/) });
    expect(await pmctl("--connect-timeout", "fast", "ps")).toMatchObject({
      exitCode: 2,
      err: expect.stringMatching(/^error: --connect-timeout: "fast"/),
    });
  });

  test.each(["start", "stop", "restart", "reload", "kill", "delete", "wait"])("%s of nothing is refused with the way out", async (verb) => {
    expect(await pmctl(verb)).toMatchObject({ exitCode: 2, err: expect.stringContaining(`pmctl ${verb} NAME`) });
  });

  test("a group of verbs alone is its help, and an error", async () => {
    expect(await pmctl("daemon")).toMatchObject({ exitCode: 2, err: expect.stringContaining("pmctl daemon") });
  });

  test("options that every verb has may stand before it and behind it", async () => {
    expect(await pmctl("--connect-timeout", "5s", "ps", "-o", "name")).toMatchObject({ exitCode: 0 });
    expect(await pmctl("ps", "-o", "name", "--connect-timeout", "5s")).toMatchObject({ exitCode: 0 });
  });

  test("--version needs no pmd", async () => {
    expect(await pmctl("--version")).toMatchObject({ exitCode: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  });
});
