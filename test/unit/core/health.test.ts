import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { firstProbeMs, type Health, initialHealth, judge, nextProbeMs } from "../../../src/core/health.ts";
import { defaults, type HealthCheck } from "../../../src/core/spec.ts";

const check: HealthCheck = { ...defaults.health, probe: { type: "tcp", host: "", port: 1 } };

/** Results as letters: + good, - bad; one a second from the start. */
function states(results: string, change: Partial<HealthCheck>): string {
  let health = initialHealth;
  return [...results]
    .map((result, second) => {
      health = judge(health, result === "+", second * 1000, { ...check, ...change });
      return health.state[0];
    })
    .join("");
}

describe("the results of a check", () => {
  it.each([
    ["one good result is enough", "+++", {}, "hhh"],
    ["as many good results in a row as are asked for", "+-++", { successes: 2 }, "sssh"],
    ["as many bad results in a row as are allowed", "+--+---", { retries: 3 }, "hhhhhhu"],
    ["flapping that never has as many in a row changes nothing", "+--+--+--+", { retries: 3 }, "hhhhhhhhhh"],
    ["within the start period bad results do not count", "-----+", { retries: 2, startPeriodMs: 60_000 }, "sssssh"],
    ["after it they do", "------", { retries: 2, startPeriodMs: 3000 }, "ssssuu"],
    ["what has been healthy has no start period any more", "+--", { retries: 2, startPeriodMs: 60_000 }, "hhu"],
    ["without a start period they count at once", "---", { retries: 3, startPeriodMs: 0 }, "ssu"],
    ["what was unhealthy recovers by good results in a row", "--+-++", { retries: 1, successes: 2, startPeriodMs: 0 }, "uuuuuh"],
  ] as const)("%s", (_, results, change, expected) => {
    expect(states(results, change)).toBe(expected);
  });

  const limits = fc.record({ retries: fc.integer({ min: 1, max: 5 }), successes: fc.integer({ min: 1, max: 5 }), startPeriodMs: fc.nat(20_000) });

  it("turn to healthy only by a good one, to unhealthy only by a bad one, and never back to starting", () => {
    fc.assert(
      fc.property(limits, fc.array(fc.boolean(), { maxLength: 60 }), (change, results) => {
        let health: Health = initialHealth;
        for (const [second, ok] of results.entries()) {
          const next = judge(health, ok, second * 1000, { ...check, ...change });
          if (next.state !== health.state) expect(next.state).toBe(ok ? "healthy" : "unhealthy");
          if (health.state !== "starting") expect(next.state).not.toBe("starting");
          health = next;
        }
      }),
    );
  });

  it("are, after the start period, what the last of them in a row say", () => {
    fc.assert(
      fc.property(limits, fc.array(fc.boolean(), { maxLength: 30 }), (change, results) => {
        const spec = { ...check, ...change, startPeriodMs: 0 };
        const health = results.reduce((health, ok) => judge(health, ok, 0, spec), initialHealth);
        const last = (count: number, ok: boolean) => results.length >= count && results.slice(-count).every((result) => result === ok);
        if (last(spec.successes, true)) expect(health.state).toBe("healthy");
        if (last(spec.retries, false)) expect(health.state).toBe("unhealthy");
      }),
    );
  });
});

it("a run that has not been healthy is asked soon after its start and every second at least, any other once an interval", () => {
  const at = (health: Health, sinceMs: number) => nextProbeMs(health, sinceMs, check);
  expect([0, 200, 5000, 50_000].map((sinceMs) => at(initialHealth, sinceMs))).toEqual([100, 200, 1000, 1000]);
  expect(nextProbeMs(initialHealth, 5000, { ...check, intervalMs: 300 })).toBe(300);
  expect(at({ ...initialHealth, state: "healthy" }, 0)).toBe(10_000);
  expect(at({ ...initialHealth, state: "unhealthy" }, 0)).toBe(10_000);
  expect([0, 0.5].map(firstProbeMs)).toEqual([0, 50]);
});
