import { expect, it } from "vitest";
import { instanceLogSources, parseLogPath } from "../../../src/supervisor/log-paths.ts";
import { plainSpec } from "../../support/supervised.ts";

it("a file at a default place tells whose it is", () => {
  for (const [namespace, name] of [
    ["default", "web"],
    ["prod", "web"],
    ["prod", "out.log"],
  ] as const) {
    for (const index of [0, 1, 12]) {
      for (const { instance, stream, path } of instanceLogSources({ namespace, name, spec: plainSpec() }, index, "/logs")) {
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
