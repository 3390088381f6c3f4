import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { candidates, fixedPorts, rangeProblem, sharedPort } from "../../../src/core/ports.ts";
import type { PortSpec } from "../../../src/core/spec.ts";

const range = (first: number, last = first, auto = false): PortSpec => ({ first, last, auto });

describe("a range", () => {
  it.each([
    [range(3000), 1, undefined],
    [range(3000, 3003), 4, undefined],
    [range(3000), 0, undefined],
    [range(3000), 2, "2 instances cannot share 3000: give 3000-3001, or fewer instances"],
    [range(5000, 5001, true), 3, "3 instances cannot share auto:5000-5001: give auto:5000-5002, or fewer instances"],
    [range(3001, 3000), 1, "3001-3000 is no range: the last port is below the first"],
  ])("%o for %i instances", (port, instances, problem) => {
    expect(rangeProblem(port, instances)).toBe(problem);
  });
});

it("fixed ports go by the number of the instance, whoever else has them", () => {
  expect(candidates(range(3000, 3003), 2, () => new Set([3002]))).toEqual([3002]);
});

it("automatic ports are tried in order, without those that belong to others", () => {
  expect(candidates(range(5000, 5003, true), 7, () => new Set([5001]))).toEqual([5000, 5002, 5003]);
});

it("two services share a port when both name it, and never when one of them takes what is free", () => {
  const anyRange = fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 10 }), fc.boolean());
  fc.assert(
    fc.property(anyRange, anyRange, ([first, more, auto], [otherFirst, otherMore, otherAuto]) => {
      const one = range(first, first + more, auto);
      const other = range(otherFirst, otherFirst + otherMore, otherAuto);
      const both = fixedPorts(one).filter((port) => fixedPorts(other).includes(port));
      expect(sharedPort(one, other)).toBe(both[0]);
    }),
  );
});
