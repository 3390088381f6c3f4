import type { Probe, ProcessSpec } from "../core/spec.ts";
import type { LaunchOrder, LiveRun } from "./host.ts";

/** Asks runs whether they are well. src/health implements it. */
export interface Prober {
  /** Answers when the time is over at the latest, and never rejects. What it has begun is ended by then, or when the signal is aborted. */
  probe(probe: Probe, run: ProbedRun, timeoutMs: number, signal: AbortSignal): Promise<ProbeAnswer>;
}

export interface ProbedRun {
  readonly live: LiveRun;
  readonly order: LaunchOrder;
  /** What its environment and directory are. */
  readonly process: ProcessSpec;
}

export interface ProbeAnswer {
  readonly ok: boolean;
  /** In a few words: `status 503`, `connection refused`. */
  readonly reason: string;
  /** What was said at more length; bounded. */
  readonly output: string;
  /** Without the time until it was its turn. */
  readonly durationMs: number;
}
