import { expect, test } from "vitest";
import { rotatedNames, rotatedPath } from "../../../src/logs/log-file-names.ts";

test("names of files that were set aside sort by age", () => {
  const names = [0, 7, 1_000, 123_456_789_012].map((base) => rotatedPath("web.log", base));
  expect([...names].reverse().sort()).toEqual(names);
});

test("what was set aside is found, plain, packed and both, and nothing of other logs", () => {
  const names = [
    "out.log",
    "out.log.idx",
    "out.log.000000000000300",
    "out.log.000000000000300.idx",
    "out.log.000000000000200",
    "out.log.000000000000200.zst",
    "out.log.000000000000200.idx",
    "out.log.000000000000100.gz",
    "out.log.000000000000100.idx",
    "out.log.000000000000200.gz.new",
    "out.log.12.zst",
    "out.log.1",
    "out.log.idx.new",
    "out.log.000000000000100.bak",
    "err.out.log.000000000000100",
    "out.log.1.000000000000100",
  ];
  expect(rotatedNames("/logs/out.log", names)).toEqual({
    files: [100, 200, 300],
    plain: [200, 300],
    packed: new Map([
      [100, "gz"],
      [200, "zst"],
    ]),
    indexes: [100, 200, 300],
    unfinished: ["out.log.000000000000200.gz.new"],
  });
});
