import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { afterExit, isCrashLoop, isSuccess, restartDelayMs } from "../../../src/core/restart.ts";
import { defaults, type RestartPolicy } from "../../../src/core/spec.ts";
import type { RunExit } from "../../../src/core/state.ts";

const policy: RestartPolicy = { ...defaults.restart, jitter: 0 };
const ended = (status: number): RunExit => ({ kind: "ended", status, endedAt: 0, uptimeMs: 0 });
const lost: RunExit = { kind: "lost", endedAt: 0, uptimeMs: 0 };
const at = { now: 100_000, random: 0.5 };
const first = { ends: [100_000], failures: 0 };

describe("what follows an end", () => {
  it.each([
    ["always", ended(0), "restart"],
    ["always", ended(1), "restart"],
    ["always", lost, "restart"],
    ["on-failure", ended(0), "leave"],
    ["on-failure", ended(3), "restart"],
    ["on-failure", lost, "restart"],
    ["never", ended(0), "leave"],
    ["never", ended(1), "leave"],
  ] as const)("with policy %s and %o is %s", (mode, exit, type) => {
    expect(afterExit({ ...policy, mode }, isSuccess(policy, exit), first, at).type).toBe(type);
  });

  it("is a success only for 0 and the codes that were named, and never for an end that nobody saw", () => {
    const lenient = { ...policy, successExitCodes: [3, 143] };
    expect([0, 3, 143, 1].map((status) => isSuccess(lenient, ended(status)))).toEqual([true, true, true, false]);
    expect(isSuccess(lenient, lost)).toBe(false);
    expect(isSuccess(lenient, { kind: "spawn-failed", endedAt: 0, uptimeMs: 0 })).toBe(false);
  });

  it("is giving up at the end that is one more than max_restarts within the window", () => {
    const strict = { ...policy, maxRestarts: 3, windowMs: 10_000 };
    const ends = [97_000, 98_000, 99_000];
    expect(afterExit(strict, false, { ends, failures: 0 }, { ...at, now: 99_000 }).type).toBe("restart");
    expect(afterExit(strict, false, { ends: [...ends, 100_000], failures: 0 }, at).type).toBe("give-up");
    expect(afterExit(strict, false, { ends: [1, 2, 3, 100_000], failures: 0 }, at).type).toBe("restart");
  });
});

describe("the delay", () => {
  it("doubles up to the cap", () => {
    expect([0, 1, 2, 6, 7, 100].map((failures) => restartDelayMs(policy, failures, 0.5))).toEqual([500, 1000, 2000, 32_000, 60_000, 60_000]);
  });

  it("never leaves the band of its jitter, and never shrinks without it", () => {
    fc.assert(
      fc.property(
        fc.nat(60),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (failures, random, jitter) => {
          const plain = restartDelayMs(policy, failures, random);
          const varied = restartDelayMs({ ...policy, jitter }, failures, random);
          expect(Math.abs(varied - plain)).toBeLessThanOrEqual(plain * jitter + 1);
          expect(restartDelayMs(policy, failures + 1, random)).toBeGreaterThanOrEqual(plain);
        },
      ),
    );
  });
});

it("five ends within five minutes are a crash loop, four are not, and old ones do not count", () => {
  const now = 1_000_000;
  expect(isCrashLoop([now - 4, now - 3, now - 2, now - 1], now)).toBe(false);
  expect(isCrashLoop([now - 4, now - 3, now - 2, now - 1, now], now)).toBe(true);
  expect(isCrashLoop([now - 300_000, now - 3, now - 2, now - 1, now], now)).toBe(false);
});
