import fc from "fast-check";
import { expect, test } from "vitest";
import { fold, hostSubject, UsageHistory } from "../../../src/metrics/usage-history.ts";
import { UsageRing } from "../../../src/metrics/usage-ring.ts";

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const start = Date.UTC(2026, 0, 1);
const KiB = 1024;

test("what falls into one step is one point: the mean of CPU, the highest of the rest", () => {
  const ring = new UsageRing(5 * second, 10);
  ring.add(start, { cpuPercent: 10, memoryBytes: 5 * KiB, pids: 1 }, 1);
  ring.add(start + 4999, { cpuPercent: 30, memoryBytes: 3 * KiB, pids: 4 }, 1);
  ring.add(start + 5000, { cpuPercent: 50, memoryBytes: KiB, pids: 2 }, 1);
  expect(ring.points(0, start + hour)).toEqual([
    { at: start, cpuPercent: 20, memoryBytes: 5 * KiB, pids: 4 },
    { at: start + 5000, cpuPercent: 50, memoryBytes: KiB, pids: 2 },
  ]);
});

test("a value that speaks for a longer time weighs more", () => {
  const ring = new UsageRing(minute, 10);
  ring.add(start, { cpuPercent: 100, memoryBytes: 0, pids: 0 }, 5 * second);
  ring.add(start + second, { cpuPercent: 40, memoryBytes: 0, pids: 0 }, second);
  expect(ring.points(0, start)[0]?.cpuPercent).toBeCloseTo(90);
});

test("a step without CPU has none, and one without values is no point", () => {
  const ring = new UsageRing(second, 10);
  ring.add(start, { memoryBytes: 0, pids: 1 }, 1);
  ring.add(start + 3 * second, { cpuPercent: 0, memoryBytes: 0, pids: 1 }, 1);
  expect(ring.points(0, start + hour)).toEqual([
    { at: start, memoryBytes: 0, pids: 1 },
    { at: start + 3 * second, cpuPercent: 0, memoryBytes: 0, pids: 1 },
  ]);
});

test("when the clock is set back, what is now in the future is forgotten", () => {
  const ring = new UsageRing(second, 10);
  for (let n = 0; n < 8; n++) ring.add(start + n * second, { memoryBytes: n * KiB, pids: 1 }, 1);
  ring.add(start + 5 * second, { memoryBytes: 99 * KiB, pids: 1 }, 1);
  expect(ring.points(0, start + hour).map(({ memoryBytes }) => memoryBytes / KiB)).toEqual([0, 1, 2, 3, 4, 99]);
  ring.add(start - hour, { memoryBytes: 7 * KiB, pids: 1 }, 1);
  expect(ring.points(0, start + hour)).toEqual([{ at: start - hour, memoryBytes: 7 * KiB, pids: 1 }]);
});

test("a ring holds the newest steps and nothing else, whatever the pauses", () => {
  const pauses = fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 60 });
  const property = fc.property(pauses, (pauses) => {
    const ring = new UsageRing(second, 20);
    const added = new Map<number, number>();
    let at = start;
    for (const [n, pause] of pauses.entries()) {
      at += pause * second;
      ring.add(at, { memoryBytes: n * KiB, pids: 0 }, 1);
      added.set(at, n);
    }
    const expected = [...added].filter(([time]) => time > at - 20 * second).map(([time, n]) => [time, n]);
    expect(ring.points(0, at).map((point) => [point.at, point.memoryBytes / KiB])).toEqual(expected);
  });
  fc.assert(property);
});

test("an hour is kept at five seconds and a day at one minute", () => {
  const history = new UsageHistory();
  const end = start + 30 * hour;
  for (let at = start; at < end; at += 5 * second) history.record("default/web#0", at, { cpuPercent: 1, memoryBytes: at, pids: 1 });
  const points = history.query("default/web#0", {});
  const steps = points.slice(1).map(({ at }, i) => at - (points[i]?.at ?? 0));
  expect(points[0]?.at).toBe(end - 24 * hour);
  expect(points.at(-1)?.at).toBe(end - 5 * second);
  expect(points).toHaveLength(23 * 60 + 720);
  expect(new Set(steps.slice(0, 23 * 60))).toEqual(new Set([minute]));
  expect(new Set(steps.slice(23 * 60))).toEqual(new Set([5 * second]));
});

test("a query takes the points of its range, one a step", () => {
  const history = new UsageHistory();
  for (let at = start; at < start + hour; at += 5 * second) history.record(hostSubject, at, { cpuPercent: at % minute, memoryBytes: KiB, pids: 0 });
  const range = { start: start + minute, end: start + 3 * minute };
  expect(history.query(hostSubject, range).map(({ at }) => at)).toEqual(Array.from({ length: 25 }, (_, n) => range.start + n * 5 * second));
  expect(history.query(hostSubject, { ...range, stepMs: 30 * second }).map(({ at }) => (at - start) / second)).toEqual([60, 90, 120, 150, 180]);
  const byMinute = history.query(hostSubject, { ...range, stepMs: minute });
  expect(byMinute.map(({ at }) => at)).toEqual([range.start, range.start + minute, range.end]);
  expect(byMinute[0]?.cpuPercent).toBeCloseTo(27_500, 0);
});

test("points without CPU do not weigh on the mean", () => {
  const usage = { memoryBytes: 0, pids: 0 };
  expect(
    fold(
      [
        { at: 0, ...usage },
        { at: 1, cpuPercent: 8, ...usage },
        { at: 2, ...usage },
      ],
      10,
    ),
  ).toEqual([{ at: 0, cpuPercent: 8, ...usage }]);
  expect(fold([{ at: 3, ...usage }], 10)).toEqual([{ at: 0, ...usage }]);
});

test("an instance that is gone for an hour is forgotten", () => {
  const history = new UsageHistory();
  history.record("default/gone#0", start, { memoryBytes: 0, pids: 1 });
  history.record("default/web#0", start + hour, { memoryBytes: 0, pids: 1 });
  history.forgetGone(start + hour);
  expect(history.listSubjects()).toEqual(["default/gone#0", "default/web#0"]);
  history.forgetGone(start + hour + 1);
  expect(history.listSubjects()).toEqual(["default/web#0"]);
  expect(history.query("default/gone#0")).toEqual([]);
});
