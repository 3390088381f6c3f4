import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { standsAnybodyIn } from "../../src/host/run-tree.ts";
import { shimOrderText } from "../../src/host/shim-order.ts";
import { eventually } from "../support/eventually.ts";
import { findProcesses } from "../support/find-processes.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const shells = ["sh", "bash", "busybox"];

describe.each(shells)("under %s, a shim that waits", (shell) => {
  const command = shell === "busybox" ? ["busybox", "sh"] : [shell];

  /** A spare with its shim, as pmd makes it. */
  async function makeSpare(cgroup = "") {
    const temp = makeTempDir();
    const name = "0123456789ab";
    const directory = join(temp.path, name);
    mkdirSync(directory);
    const [program = "sh", ...args] = command;
    const maker = spawn(program, [...args, resolve("src/host/shim.sh"), temp.path, cgroup], { detached: true, env: {} });
    maker.stdin.end(`${name}\n`);
    const [said] = (await once(maker.stdout, "data")) as [Buffer];
    expect(String(said)).toBe(`made ${name}\n`);
    const go = openSync(join(directory, "go"), constants.O_RDWR | constants.O_NONBLOCK);
    await eventually(() => existsSync(join(directory, "shim")));
    const gone = () => eventually(() => !standsAnybodyIn(directory));
    const order = (argv: string[], workingDirectory = "/") => {
      writeFileSync(join(directory, "spec.json"), "{}");
      const environment = { PATH: "/usr/bin:/bin", MARK: "it's" };
      writeFileSync(
        join(directory, "order"),
        shimOrderText({ argv, environment, workingDirectory, softOpenFiles: 100, setsid: "/usr/bin/setsid", env: "/usr/bin/env" }),
      );
      writeSync(go, "go\n");
    };
    const read = (name: string) => readFileSync(join(directory, name), "utf8");
    // It is there before it is whole.
    const exit = () => eventually(() => existsSync(join(directory, "exit")) && read("exit").endsWith("\n") && read("exit"));
    return { directory, go, gone, order, read, exit, [Symbol.asyncDispose]: () => temp[Symbol.asyncDispose]() };
  }

  it("goes without a trace when nobody holds the other end of its FIFO any more", async () => {
    await using spare = await makeSpare();
    closeSync(spare.go);
    await spare.gone();
    expect(existsSync(join(spare.directory, "exit"))).toBe(false);
  });

  it("goes when its directory is removed, and when its cgroup cannot be joined", async () => {
    await using removed = await makeSpare();
    rmSync(removed.directory, { recursive: true });
    closeSync(removed.go);
    await removed.gone();
    await using unjoined = await makeSpare("/sys/fs/cgroup/no/such/group");
    await unjoined.gone();
    closeSync(unjoined.go);
    expect(findProcesses([removed.directory, unjoined.directory])).toEqual([]);
  });

  it("becomes what it is told to, writes down how that ended, and leaves when everything was taken", async () => {
    await using spare = await makeSpare();
    spare.order(["sh", "-c", 'test "$MARK" = "it\'s" && test "$(ulimit -Sn)" = 100 && exit 7']);
    expect(await spare.exit()).toBe("7\n");
    expect(spare.read("pid")).toMatch(/^\d+\n$/);
    writeFileSync(join(spare.directory, "ack"), "drained\n");
    await spare.gone();
    closeSync(spare.go);
  });

  it.each([
    ["a signal", ["sh", "-c", "kill -9 $$"], "137\n"],
    ["a program that is not there", ["/no/such/program"], "127\n"],
    ["a program that is no program", ["/etc/passwd"], "126\n"],
  ])("says %s as a shell does", async (_, argv, status) => {
    await using spare = await makeSpare();
    spare.order(argv);
    expect(await spare.exit()).toBe(status);
    writeFileSync(join(spare.directory, "ack"), "drained\n");
    await spare.gone();
    closeSync(spare.go);
  });

  it("says 125, and that it never was, when it cannot be set up", async () => {
    await using spare = await makeSpare();
    spare.order(["true"], "/no/such/directory");
    expect(await spare.exit()).toBe("125\n");
    expect(spare.read("pid")).toBe("");
    writeFileSync(join(spare.directory, "ack"), "drained\n");
    await spare.gone();
    closeSync(spare.go);
  });
});
