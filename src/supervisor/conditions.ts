import type { ConditionView } from "./view.ts";

/** What beside its state is to be known of an instance. */
export interface InstanceFacts {
  readonly stateSince: number;
  /** Of its run. */
  readonly startedAt?: number;
  readonly crashLoopSince?: number;
  /** When the last run ended, if that was for want of memory. */
  readonly oomKilledAt?: number;
  readonly stale: boolean;
  readonly adopted: boolean;
  readonly shimLost: boolean;
  readonly survivors: readonly number[];
}

export function conditionsOf(facts: InstanceFacts): ConditionView[] {
  const { stateSince, startedAt = stateSince, crashLoopSince, oomKilledAt, survivors } = facts;
  const conditions: (ConditionView | false)[] = [
    crashLoopSince !== undefined && { type: "crash_loop", message: "ended five times within five minutes", since: crashLoopSince },
    oomKilledAt !== undefined && { type: "oom_killed", message: "the kernel killed its last run for want of memory", since: oomKilledAt },
    facts.stale && { type: "config_stale", message: "runs from an older spec: restart it", since: startedAt },
    facts.adopted && { type: "adopted", message: "was started by an earlier pmd", since: startedAt },
    facts.shimLost && { type: "shim_lost", message: "its exit status will not be known: its shim was killed", since: stateSince },
    survivors.length > 0 && { type: "survivors", message: `SIGKILL did not end ${survivors.join(" ")}`, since: stateSince },
  ];
  return conditions.filter((condition) => condition !== false);
}
