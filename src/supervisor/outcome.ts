import type { Verdict as DependencyVerdict } from "../core/dependencies.ts";
import { displayName } from "../core/names.ts";
import { dependencyDown, exitedEarly, type PmError, shuttingDown, spawnFailed, superseded, survivors, timedOut } from "../errors.ts";
import { describeExit } from "./exit-record.ts";
import type { Instance } from "./instance.ts";
import type { StoredExit } from "./store.ts";
import type { TargetView } from "./view.ts";

export type WaitLevel = "accepted" | "started" | "ready";

export interface Wait {
  readonly level: WaitLevel;
  readonly timeoutMs?: number;
}

/** Beyond the grace period of what has to stop. */
const defaultTimeoutMs = 90_000;

/** What a verb waits for in one instance. */
export type Goal =
  | { readonly verb: "start" }
  | { readonly verb: "stop" }
  /** A run other than this one. */
  | { readonly verb: "restart"; readonly oldRun: string | undefined };

/** Waits until the goal is reached or cannot be reached any more; undefined is success. The work goes on when the wait ends. */
export async function reachGoal(instance: Instance, goal: Goal, wait: Wait, signal: AbortSignal): Promise<PmError | undefined> {
  if (wait.level === "accepted") return undefined;
  const timeoutMs = wait.timeoutMs ?? defaultTimeoutMs;
  const timeout = AbortSignal.timeout(Math.min(timeoutMs, 2_147_483_647));
  const ended = AbortSignal.any([signal, timeout]);
  for (;;) {
    const verdict = goal.verb === "stop" ? judgeStop(instance) : judgeStart(instance, goal, wait.level);
    if (verdict === "reached") return undefined;
    // By the time that its last words are there it may have been started and have ended again: this is about the end that was seen.
    if (verdict !== "not yet") return verdict(await instance.lastWords);
    if (timeout.aborted) return timedOut(displayName(instance.name), instance.state, timeoutMs / 1000, instance.complaint);
    if (signal.aborted) return shuttingDown();
    await instance.changes.wait(ended);
  }
}

type Verdict = "reached" | "not yet" | ((lastExit: StoredExit | undefined) => PmError);

function judgeStop(instance: Instance): Verdict {
  const { state } = instance.model;
  const name = displayName(instance.name);
  switch (state.phase) {
    case "stopped":
    case "exited":
    case "failed":
      return "reached";
    case "stopping":
      if (state.kills > 1) return () => survivors(name, instance.survivors());
      return state.next === "start" ? () => superseded(name, "start") : "not yet";
    case "waiting":
    case "starting":
    case "running":
    case "backoff":
      return instance.leaving ? "not yet" : () => superseded(name, "start");
  }
}

function judgeStart(instance: Instance, goal: Goal, level: WaitLevel): Verdict {
  const { state } = instance.model;
  const name = displayName(instance.name);
  const run = instance.run;
  const isOld = goal.verb === "restart" && run !== undefined && run.id === goal.oldRun;
  switch (state.phase) {
    case "running":
      return isOld || instance.leaving || (level === "ready" && !instance.ready) ? "not yet" : "reached";
    case "starting":
      return level === "started" && state.alive && !isOld ? "reached" : "not yet";
    case "waiting":
      return judgeWaiting(name, instance.verdict);
    case "stopping":
      if (state.kills > 1) return () => survivors(name, instance.survivors());
      return state.next === "stop" ? () => superseded(name, "stop") : "not yet";
    case "exited":
      return "reached";
    case "stopped":
      return () => superseded(name, "stop");
    case "backoff":
    case "failed":
      return (lastExit) => early(name, lastExit);
  }
}

/** What is down will not be there soon, and an answer is better than to wait for it. */
function judgeWaiting(name: string, verdict: DependencyVerdict): Verdict {
  const blocker = verdict.type === "wait" ? verdict.blockers.find(({ down }) => down) : undefined;
  if (verdict.type === "go" || !blocker) return "not yet";
  return () => dependencyDown(name, displayName((blocker.root ?? blocker).name), verdict.reason);
}

function early(name: string, exit: StoredExit | undefined): PmError {
  if (!exit) return spawnFailed(name, "it ended");
  if (exit.cause === "spawn_failed") return spawnFailed(name, exit.message);
  return exitedEarly(name, describeExit(exit), exit.lastLines);
}

/** Of the errors of several instances the first speaks for the service. */
export function targetView(
  name: string,
  instances: readonly Instance[],
  result: { error?: PmError | undefined; outcome: TargetView["outcome"] },
): TargetView {
  const pids = instances.flatMap(({ run }) => (run?.pid ? [run.pid] : []));
  const state = instances.find(({ atRest }) => !atRest)?.state ?? instances[0]?.state ?? "stopped";
  if (!result.error) return { name, outcome: result.outcome, state, pids };
  return { name, outcome: "failed", error: result.error, state, pids };
}
