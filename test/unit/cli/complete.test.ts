import { execFileSync } from "node:child_process";
import { ConnectError } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { completionScripts } from "../../../cli/completion-scripts.ts";
import { State } from "../../../gen/pm/v1/common_pb.ts";
import { FakePmd } from "./fake-pmd.ts";
import { runPmctl } from "./run-pmctl.ts";

function pmdWithThree(): FakePmd {
  const pmd = new FakePmd();
  pmd.add("default/web", { instances: 2, spec: { labels: { tier: "front" } } });
  pmd.add("default/worker", { state: State.FAILED });
  pmd.add("prod/db");
  return pmd;
}

async function completions(words: string[], pmd = pmdWithThree()): Promise<string[]> {
  const { out, err, exitCode } = await runPmctl(["__complete", "--", ...words], { transport: pmd.transport });
  expect({ err, exitCode }).toEqual({ err: "", exitCode: 0 });
  return out.split("\n").filter(Boolean);
}

const values = async (...words: string[]) => (await completions(words)).map((line) => line.split("\t")[0]);

describe("completion", () => {
  test("of the first word is the verbs, with what they do", async () => {
    expect(await completions(["sta"])).toEqual(["start\tstart services, or make a new one", "status\tall about one service"]);
    expect(await values("")).not.toContain("__complete");
  });

  test("of a verb is the names of services, live, with their states", async () => {
    expect(await completions(["stop", ""])).toEqual(["web\trunning", "worker\tfailed", "prod/db\trunning"]);
    expect(await values("stop", "web", "")).toEqual(["worker", "prod/db"]);
    expect(await values("rm", "prod/")).toEqual(["prod/db"]);
  });

  test("of a whole name is its instances, too", async () => {
    expect(await values("restart", "web")).toEqual(["web", "web#0", "web#1"]);
    expect(await values("restart", "web#")).toEqual(["web#0", "web#1"]);
  });

  test("of the verbs about files and revisions is names, too, and behind -f a file", async () => {
    for (const verb of ["up", "down", "history", "rollback"]) expect(await values(verb, "w")).toEqual(["web", "worker"]);
    for (const verb of ["up", "down", "diff", "apply", "check"]) expect(await values(verb, "-f", "")).toEqual([]);
    expect(await values("apply", "--pr")).toEqual(["--prune"]);
  });

  test("of a dash is the options of that verb and of all", async () => {
    const options = await values("stop", "web", "--");
    expect(options).toEqual(expect.arrayContaining(["--grace", "--no-wait", "--all", "--socket"]));
    expect(await values("start", "--rest")).toEqual(["--restart", "--restart-delay", "--restart-above"]);
  });

  test.each([
    [
      ["ps", "-o", ""],
      ["table", "wide", "json", "jsonl", "name"],
    ],
    [
      ["ps", "--output=j"],
      ["--output=json", "--output=jsonl"],
    ],
    [
      ["ps", "--output", "=", "j"],
      ["json", "jsonl"],
    ],
    [
      ["ps", "--state", "st"],
      ["stopped", "starting", "stopping"],
    ],
    [
      ["ps", "-N", ""],
      ["default", "prod"],
    ],
    [["stop", "-l", ""], ["tier=front"]],
    [
      ["kill", "-s", "U"],
      ["USR1", "USR2"],
    ],
    [
      ["wait", "--for", ""],
      ["ready", "stopped"],
    ],
    [["start", "--restart", "on"], ["on-failure"]],
    [
      ["daemon", ""],
      ["status", "stop", "logs"],
    ],
    [
      ["completion", ""],
      ["bash", "zsh", "fish"],
    ],
    [
      ["scale", "w"],
      ["web=", "worker="],
    ],
  ])("%j is %j", async (words, expected) => {
    expect(await values(...words)).toEqual(expected);
  });

  test("the value of an option is not taken for a name", async () => {
    expect(await values("stop", "--grace", "")).toEqual([]);
    expect(await values("stop", "--grace", "5s", "web")).toContain("web");
  });

  test("behind -- and for files there is nothing to say: the shell knows files", async () => {
    expect(await values("start", "--name", "x", "--", "")).toEqual([]);
    expect(await values("start", "--cwd", "")).toEqual([]);
    expect(await values("is-active", "web", "")).toEqual([]);
  });

  test("without pmd there are no names, and no complaint", async () => {
    const pmd = pmdWithThree();
    pmd.refusals.set("listServices", new ConnectError("gone"));
    expect(await completions(["stop", ""], pmd)).toEqual([]);
  });
});

describe("the script", () => {
  test("for bash offers what pmctl says, and hands over words without reading them again", () => {
    const fake = `pmctl() { shift 2; printf '%s\\tabout it\\n' "$#" "last=$3" "$(printf x)"; }`;
    const typed = `COMP_WORDS=(pmctl stop '$(touch /tmp/never)' 'we b'); COMP_CWORD=3; _pmctl; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const out = execFileSync("bash", ["-euc", `${fake}\n${completionScripts.bash}\n${typed}`], { encoding: "utf8" });
    expect(out).toBe("3\nlast=we b\nx\n");
  });

  test("is printed for the shells that there are, and refused for others", async () => {
    const { transport } = new FakePmd();
    for (const shell of ["bash", "zsh", "fish"]) expect((await runPmctl(["completion", shell], { transport })).out).toContain("pmctl __complete --");
    expect((await runPmctl(["completion", "tcsh"], { transport })).exitCode).toBe(2);
  });
});
