import type { HealthWord } from "../core/health.ts";
import type { ServiceSpec } from "../core/spec.ts";
import type { PmError } from "../errors.ts";
import type { Overrides, StoredExit } from "./store.ts";

// What the supervisor shows of itself: values made on demand, that nobody has to keep up to date. The API turns them into its messages.

export const stateWords = ["stopped", "waiting", "starting", "running", "stopping", "backoff", "exited", "failed", "unknown"] as const;
export type StateWord = (typeof stateWords)[number];

export type ConditionType = "crash_loop" | "oom_killed" | "config_stale" | "adopted" | "survivors" | "shim_lost" | "file_invalid";

export interface ConditionView {
  readonly type: ConditionType;
  readonly message: string;
  /** Wall clock, like all times here. */
  readonly since: number;
}

export interface ServiceView {
  readonly namespace: string;
  readonly name: string;
  readonly spec: ServiceSpec;
  readonly overrides: Overrides;
  readonly generation: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** The file that defines it; empty when it came over the API. */
  readonly source: string;
  readonly desired: "running" | "stopped";
  /** Of its instances the state that most needs to be known. */
  readonly state: StateWord;
  readonly instancesDesired: number;
  readonly instancesReady: number;
  readonly instances: readonly InstanceView[];
  readonly conditions: readonly ConditionView[];
}

export interface InstanceView {
  /** In full: `default/web#1`. */
  readonly name: string;
  readonly index: number;
  readonly state: StateWord;
  readonly ready: boolean;
  readonly health: HealthView;
  /** Absent when there is no such check. */
  readonly liveness?: HealthView;
  /** The run that is alive, or is being started or stopped. */
  readonly run?: RunView;
  readonly lastExit?: StoredExit;
  readonly restarts: number;
  /** Empty where there is nothing to say. */
  readonly stateReason: string;
  readonly stateSince: number;
  readonly nextStartAt?: number;
  readonly conditions: readonly ConditionView[];
}

/** What is known of one check. */
export interface HealthView {
  readonly state: "none" | HealthWord;
  readonly since?: number;
  readonly failures: number;
  /** Newest first. */
  readonly results: readonly HealthResult[];
}

/** One answer to a probe. */
export interface HealthResult {
  /** When the probe began. */
  readonly at: number;
  readonly durationMs: number;
  readonly ok: boolean;
  readonly reason: string;
  readonly output: string;
}

export interface RunView {
  readonly id: string;
  /** 0 until the process exists. */
  readonly pid: number;
  readonly startedAt: number;
  /** An earlier pmd started it. */
  readonly adopted: boolean;
  readonly generation: number;
  /** 0 when it has none. */
  readonly port: number;
}

/** What became of one target of a verb. */
export interface TargetView {
  /** `default/web` or `default/web#1`. */
  readonly name: string;
  readonly outcome: "done" | "unchanged" | "accepted" | "failed";
  readonly error?: PmError;
  readonly state?: StateWord;
  readonly pids: readonly number[];
}
