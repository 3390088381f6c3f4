import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Program, resolveProgram } from "../../../cli/program-path.ts";
import { type SpecOptions, serviceSpec } from "../../../cli/service-spec.ts";
import { Dependency_Condition as Condition, RestartPolicy_Mode as RestartMode } from "../../../gen/pm/v1/service_pb.ts";

let cwd = "";
let searchPath = "";

beforeAll(() => {
  cwd = mkdtempSync(path.join(tmpdir(), "pmctl-"));
  searchPath = `${cwd}/empty:${cwd}/bin`;
  for (const directory of ["bin", "empty", "sub"]) mkdirSync(path.join(cwd, directory));
  for (const program of ["node", "python3", "redis-server"]) file(`bin/${program}`, "#!/bin/sh\n", 0o755);
  file("app.js", "console.log(1)");
  file("runnable.js", "#!/usr/bin/env node\n", 0o755);
  file("no-shebang.js", "console.log(1)", 0o755);
  file("job.py", "print(1)");
  file("sub/run", "#!/bin/sh\n", 0o755);
});

afterAll(() => rmSync(cwd, { recursive: true }));

function file(name: string, text: string, mode = 0o644): void {
  writeFileSync(path.join(cwd, name), text);
  chmodSync(path.join(cwd, name), mode);
}

function resolved(word: string, args: string[] = []): string[] {
  return resolveProgram("web", { type: "program", word, args }, { cwd, searchPath }).map((part) => part.replace(cwd, "CWD"));
}

describe("--depends-on", () => {
  const specOf = (dependsOn: string[]) =>
    serviceSpec("web", { type: "shell", line: "x", args: [] }, { autostart: true, dependsOn } as SpecOptions, { cwd, env: {} }).dependsOn;

  test("names a service, or a service and how far it has to be", () => {
    expect(specOf(["db", "job:completed-ok"])).toEqual({ db: {}, job: { condition: Condition.COMPLETED_OK } });
    expect(() => specOf(["db:up"])).toThrow('"up" is no condition: say one of started, healthy, completed, completed-ok');
  });
});

describe("a program", () => {
  test.each([
    ["redis-server", ["CWD/bin/redis-server"]],
    ["./app.js", ["CWD/bin/node", "CWD/app.js"]],
    ["app.js", ["CWD/bin/node", "CWD/app.js"]],
    ["./job.py", ["CWD/bin/python3", "CWD/job.py"]],
    ["sub/run", ["CWD/sub/run"]],
    ["./runnable.js", ["CWD/runnable.js"]],
    ["./no-shebang.js", ["CWD/bin/node", "CWD/no-shebang.js"]],
    ["/no/such/binary", ["/no/such/binary"]],
  ])("%s is run as %j", (word, argv) => {
    expect(resolved(word)).toEqual(argv);
  });

  test("its arguments follow", () => {
    expect(resolved("./app.js", ["--port", "80"])).toEqual(["CWD/bin/node", "CWD/app.js", "--port", "80"]);
  });

  test("one that the caller's PATH does not have is refused by name", () => {
    expect(() => resolved("nope")).toThrow("cannot start web: nope: not found on your PATH");
  });

  test("a script that is missing is refused, because its interpreter would complain in its place", () => {
    expect(() => resolved("./nope.js")).toThrow("cannot start web: ./nope.js: no such file");
  });
});

describe("a spec", () => {
  const program: Program = { type: "program", word: "redis-server", args: [] };
  const spec = (options: Partial<SpecOptions> = {}, env: Record<string, string> = {}) =>
    serviceSpec("web", program, { autostart: true, ...options }, { cwd, env: { PATH: searchPath, ...env } });

  test("runs where the caller stands, with the caller's PATH and nothing else of the environment", () => {
    const { process } = spec({}, { SECRET: "x" });
    expect(process?.workingDirectory).toBe(cwd);
    expect(process?.environment).toEqual({ vars: { PATH: searchPath }, files: [], inherit: false });
  });

  test("with --inherit-env the PATH is pmd's own", () => {
    expect(spec({ inheritEnv: true }).process?.environment).toEqual({ vars: {}, files: [], inherit: true });
  });

  test("a variable may hold anything, may override PATH, and without a value is the caller's", () => {
    expect(spec({ env: ["A=b=c,d", "PATH=/x", "HOME"] }, { HOME: "/root" }).process?.environment?.vars).toEqual({
      A: "b=c,d",
      PATH: "/x",
      HOME: "/root",
    });
    expect(() => spec({ env: ["NOT_SET"] })).toThrow('--env: "NOT_SET"');
    expect(() => spec({ env: ["=x"] })).toThrow('--env: "=x"');
  });

  test("paths are the caller's: they are made absolute here", () => {
    const { process } = spec({ cwd: "sub", envFile: ["prod.env"], stdout: "out.log", stderr: "/var/log/err.log" });
    expect(process?.workingDirectory).toBe(`${cwd}/sub`);
    expect(process?.environment?.files).toEqual([{ path: `${cwd}/prod.env` }]);
    expect(process?.logs).toMatchObject({ stdout: `${cwd}/out.log`, stderr: "/var/log/err.log" });
  });

  test("what was not said is left to pmd's defaults", () => {
    const said = spec();
    expect(said.instances).toBeUndefined();
    expect(said.autostart).toBeUndefined();
    expect(said.restart).toEqual({ policy: RestartMode.UNSPECIFIED });
    expect(said.process?.stop).toEqual({ signal: "" });
    expect(said.process?.logs).toEqual({ stdout: "", stderr: "" });
  });

  test("everything that was said arrives", () => {
    const said = spec({
      instances: 4,
      autostart: false,
      restart: RestartMode.ON_FAILURE,
      restartDelay: 1500,
      maxRestarts: 3,
      stopSignal: "int",
      stopCommand: "kill $PM_PID",
      grace: 0,
      rotateSize: 10_485_760,
      label: { tier: "front" },
      description: "front end",
    });
    expect(said).toMatchObject({
      instances: 4,
      autostart: false,
      restart: { policy: RestartMode.ON_FAILURE, delay: { seconds: 1n, nanos: 500_000_000 }, maxRestarts: 3 },
      process: {
        stop: { signal: "INT", command: { shell: "kill $PM_PID" }, grace: { seconds: 0n, nanos: 0 } },
        logs: { rotate: { size: 10_485_760n } },
      },
      labels: { tier: "front" },
      description: "front end",
    });
  });

  test("a shell line stays a line, and its arguments beside it", () => {
    const { process } = serviceSpec("web", { type: "shell", line: 'echo "$1"', args: ["a b"] }, { autostart: true }, { cwd, env: {} });
    expect(process?.command).toEqual({ shell: 'echo "$1"', args: ["a b"] });
  });
});
