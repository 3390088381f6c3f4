import type { RestartPolicy } from "./spec.ts";
import type { RunExit } from "./state.ts";

/** Five ends within five minutes are called a crash loop; it is shown, and changes nothing. */
export const crashLoop = { ends: 5, windowMs: 300_000 } as const;

export type AfterExit =
  | { readonly type: "restart"; readonly delayMs: number }
  | { readonly type: "leave"; readonly success: boolean }
  | { readonly type: "give-up"; readonly reason: string };

export interface ExitHistory {
  /** When runs ended by themselves, this one included. */
  readonly ends: readonly number[];
  /** How many times in a row it has ended before it was stable, before this time. */
  readonly failures: number;
}

/** What becomes of an instance whose run has ended, and nobody asked it to stop. */
export function afterExit(policy: RestartPolicy, success: boolean, history: ExitHistory, at: { now: number; random: number }): AfterExit {
  if (policy.mode === "never" || (policy.mode === "on-failure" && success)) return { type: "leave", success };
  if (policy.maxRestarts !== undefined) {
    const recent = endsWithin(history.ends, policy.windowMs, at.now);
    if (recent > policy.maxRestarts) {
      return { type: "give-up", reason: `ended ${recent} times within ${policy.windowMs / 1000} s, and max_restarts is ${policy.maxRestarts}` };
    }
  }
  return { type: "restart", delayMs: restartDelayMs(policy, history.failures, at.random) };
}

export function isSuccess(policy: RestartPolicy, exit: RunExit): boolean {
  if (exit.kind !== "ended" || exit.status === undefined) return false;
  return exit.status === 0 || policy.successExitCodes.includes(exit.status);
}

/** Doubles with each failure, up to the cap, and varies by the jitter in both directions. */
export function restartDelayMs(policy: RestartPolicy, failures: number, random: number): number {
  const base = Math.min(policy.maxDelayMs, policy.delayMs * 2 ** Math.min(failures, 40));
  return Math.round(base * (1 + policy.jitter * (2 * random - 1)));
}

export function endsWithin(ends: readonly number[], windowMs: number, now: number): number {
  return ends.filter((end) => end > now - windowMs).length;
}

export function isCrashLoop(ends: readonly number[], now: number): boolean {
  return endsWithin(ends, crashLoop.windowMs, now) >= crashLoop.ends;
}
