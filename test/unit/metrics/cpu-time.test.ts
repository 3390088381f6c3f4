import fc from "fast-check";
import { expect, test } from "vitest";
import { type CpuReading, cpuPercent } from "../../../src/metrics/cpu-time.ts";

const shell = 1;
const child = 2;

test("a cgroup that used one second of two was at 50 %", () => {
  expect(cpuPercent({ kind: "cgroup", ms: 300 }, { kind: "cgroup", ms: 1300 }, 2000)).toBe(50);
});

test("a tree is the sum of its processes, and a process that is new counts from its start", () => {
  expect(cpuPercent(tree({ [shell]: [100, 0] }), tree({ [shell]: [200, 0], [child]: [300, 0] }), 1000)).toBe(40);
});

test("a child that has ended goes on in the parent that waited for it, and is counted once", () => {
  const before = tree({ [shell]: [100, 0], [child]: [5000, 0] });
  expect(cpuPercent(before, tree({ [shell]: [110, 5090] }), 1000)).toBe(10);
});

test("a child that came and went between two samples is counted", () => {
  expect(cpuPercent(tree({ [shell]: [100, 0] }), tree({ [shell]: [100, 700] }), 1000)).toBe(70);
});

test("a child that nobody waited for takes its time with it, and what the others used is still seen", () => {
  const before = tree({ [shell]: [100, 0], [child]: [5000, 0] });
  expect(cpuPercent(before, tree({ [shell]: [350, 0] }), 1000)).toBe(25);
});

test("no reading after another is negative", () => {
  const times = fc.tuple(fc.nat(10_000), fc.nat(10_000));
  const trees = fc.dictionary(fc.constantFrom("1", "2", "3"), times, { noNullPrototype: true }).map(tree);
  const cgroups = fc.nat(10_000).map((ms): CpuReading => ({ kind: "cgroup", ms }));
  const pairs = fc.oneof(fc.tuple(trees, trees), fc.tuple(cgroups, cgroups));
  const property = fc.property(pairs, ([before, now]) => {
    expect(cpuPercent(before, now, 1000)).toBeGreaterThanOrEqual(0);
  });
  fc.assert(property);
});

test("readings of two kinds, or of one moment, say nothing", () => {
  expect(cpuPercent({ kind: "cgroup", ms: 0 }, tree({ [shell]: [100, 0] }), 1000)).toBeUndefined();
  expect(cpuPercent({ kind: "cgroup", ms: 0 }, { kind: "cgroup", ms: 10 }, 0)).toBeUndefined();
});

function tree(times: Record<string, [ownMs: number, reapedMs: number]>): CpuReading {
  return { kind: "tree", processes: new Map(Object.entries(times).map(([pid, [ownMs, reapedMs]]) => [Number(pid), { ownMs, reapedMs }])) };
}
