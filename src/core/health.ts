import type { HealthCheck } from "./spec.ts";

export type HealthWord = "starting" | "healthy" | "unhealthy";

/** What the results of one check of one run come to. */
export interface Health {
  readonly state: HealthWord;
  /** So many of the last results in a row were bad, and counted. */
  readonly failures: number;
  /** So many of the last results in a row were good. */
  readonly successes: number;
}

export const initialHealth: Health = { state: "starting", failures: 0, successes: 0 };

/** While a run has never been healthy it is asked at least so often. */
const startingMs = 1000;
/** Right after its start more often still, since many are up within moments. */
const soonestMs = 100;

/**
 * What one more result makes of it. Bad results count from the moment that it has been healthy, or that its start period is over; good ones always.
 */
export function judge(health: Health, ok: boolean, sinceStartMs: number, check: HealthCheck): Health {
  if (ok) {
    const successes = health.successes + 1;
    return { state: successes >= check.successes ? "healthy" : health.state, failures: 0, successes };
  }
  const excused = health.state === "starting" && sinceStartMs < check.startPeriodMs;
  const failures = excused ? 0 : health.failures + 1;
  return { state: failures >= check.retries ? "unhealthy" : health.state, failures, successes: 0 };
}

/** How long after a result the next is asked for. */
export function nextProbeMs(health: Health, sinceStartMs: number, { intervalMs }: HealthCheck): number {
  return health.state === "starting" ? Math.min(intervalMs, startingMs, soonestMs + sinceStartMs / 2) : intervalMs;
}

/** The first probe of many that start together comes at different times: `random` is in [0, 1). */
export function firstProbeMs(random: number): number {
  return random * soonestMs;
}
