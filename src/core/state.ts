import type { RestartPolicy } from "./spec.ts";

/** How a run ended, as far as the host can tell. */
export interface RunExit {
  /** What the shell said of it: a code, or 128 + the signal. Absent when it never ran or nobody saw its end. */
  readonly status?: number;
  /** The signal that the status stands for, if it stands for one. */
  readonly signal?: string;
  /** Wall clock, for people. */
  readonly endedAt: number;
  readonly uptimeMs: number;
  readonly kind: "ended" | "lost" | "spawn-failed";
  /** So many of its processes the kernel has killed for want of memory; absent where the host cannot say. */
  readonly oomKills?: number;
  /** Why it never ran, or why its end is not known. */
  readonly message?: string;
}

/** Why the supervisor ended it, where it did. */
export type EndCause = "stopped_by_request" | "replaced" | "start_timeout" | "dependency" | UnfitCause;

/** Why it must not go on as it does, though it lives. */
export type UnfitCause = "unhealthy" | "memory_limit";

/**
 * One of these at a time. A state that ends by itself has a deadline in it, on the monotonic clock; there are no other timers in the machine.
 */
export type InstanceState =
  | { readonly phase: "stopped" }
  | { readonly phase: "waiting" }
  | { readonly phase: "starting"; readonly alive: boolean; readonly deadline: number }
  | { readonly phase: "running" }
  | {
      readonly phase: "stopping";
      readonly next: "stop" | "start" | "recover";
      readonly deadline: number;
      /** SIGKILL has been sent this many times: more than one means that something survived it. */
      readonly kills: number;
      readonly cause?: EndCause;
    }
  | { readonly phase: "backoff"; readonly deadline: number }
  | { readonly phase: "exited" }
  | { readonly phase: "failed"; readonly reason: string };

export type Phase = InstanceState["phase"];

/** The machine's memory of one instance. */
export interface InstanceModel {
  readonly state: InstanceState;
  /** How many ends in a row came too soon after the start: the exponent of the delay. */
  readonly failures: number;
  /** Restarts after it had ended by itself, since it was last started by hand. */
  readonly restarts: number;
  /** When runs ended by themselves, on the monotonic clock, within the longest window that matters. */
  readonly ends: readonly number[];
}

/** Events are facts, requests are verbs. */
export type InstanceEvent =
  | { readonly type: "start" }
  | { readonly type: "stop"; readonly graceMs?: number }
  | { readonly type: "restart" }
  /** It may start now: what it depends on is there, and so is a free place among those that start together. */
  | { readonly type: "clear" }
  /** What it depends on is lost: it ends, and starts again when that is back. */
  | { readonly type: "lost"; readonly graceMs?: number }
  /** The process exists. */
  | { readonly type: "spawned" }
  /** The main process has ended and others of its run are alive. */
  | { readonly type: "orphaned" }
  /** It lives, and is to be ended and started again. */
  | { readonly type: "unfit"; readonly cause: UnfitCause }
  /** Nothing of the run is left. */
  | { readonly type: "gone"; readonly exit: RunExit }
  | { readonly type: "timeout" };

export type Effect =
  | { readonly type: "spawn" }
  /** Ask it to end, by its signal or stop command; what is left when the main process has ended is asked by the signal. */
  | { readonly type: "ask" }
  /** SIGKILL everything of the run. */
  | { readonly type: "kill" };

/** What a decision depends on beside the model and the event. */
export interface Context {
  readonly now: number;
  readonly clear: boolean;
  /** What it depends on is there. */
  readonly provided: boolean;
  /** In [0, 1): makes the delay differ from one instance to the next. */
  readonly random: number;
  readonly restart: RestartPolicy;
  readonly settleMs: number;
  readonly startTimeoutMs: number;
  readonly graceMs: number;
}

export type Step = readonly [next: InstanceModel, effects: readonly Effect[]];

export const initialModel: InstanceModel = { state: { phase: "stopped" }, failures: 0, restarts: 0, ends: [] };
