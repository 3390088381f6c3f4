import { expect, it } from "vitest";
import { hintPaths, instanceLogPaths, instanceLogSources, parseLogPath } from "../../../src/supervisor/log-paths.ts";
import { plainSpec } from "../../support/supervised.ts";

const bases = { logDir: "/logs", homeDir: "/home/pm" };

/** A service that runs there, and places its logs itself. */
function placed(workingDirectory: string) {
  const { process, ...spec } = plainSpec();
  const logs = { ...process.logs, stdout: "log/out.log", stderr: "/elsewhere/err.log", hints: ["log/access.log"] };
  return { namespace: "default", name: "web", spec: { ...spec, process: { ...process, workingDirectory, logs } } };
}

it("a relative log is in the working directory, and in the home directory where there is none", () => {
  expect(instanceLogPaths(placed("/srv/web"), 1, bases)).toEqual({ stdoutPath: "/srv/web/log/out.1.log", stderrPath: "/elsewhere/err.1.log" });
  expect(instanceLogPaths(placed(""), 0, bases)).toEqual({ stdoutPath: "/home/pm/log/out.log", stderrPath: "/elsewhere/err.log" });
  expect(hintPaths(placed("/srv/web"), bases)).toEqual(["/srv/web/log/access.log"]);
  expect(hintPaths(placed(""), bases)).toEqual(["/home/pm/log/access.log"]);
});

it("a file at a default place tells whose it is", () => {
  for (const [namespace, name] of [
    ["default", "web"],
    ["prod", "web"],
    ["prod", "out.log"],
  ] as const) {
    for (const index of [0, 1, 12]) {
      for (const { instance, stream, path } of instanceLogSources({ namespace, name, spec: plainSpec() }, index, bases)) {
        expect(parseLogPath(path, "/logs")).toEqual({ instance, stream });
      }
    }
  }
});

it("what is no log at a default place is nobody's", () => {
  for (const path of ["out.log", "web/out.log.idx", "web/out.0.log", "web/in.log", "web/more/out.log", "@prod/out.log", "../web/out.log"]) {
    expect(parseLogPath(`/logs/${path}`, "/logs")).toBeUndefined();
  }
});
