import { displayName } from "../core/names.ts";
import type { InstanceState } from "../core/state.ts";
import type { NewEvent } from "./event-log.ts";
import type { Resting } from "./store.ts";

/** What is to be told of a step of the machine. */
export function stateEvents(subject: string, before: InstanceState, after: InstanceState, survivors: () => readonly number[]): NewEvent[] {
  const name = displayName(subject);
  const events: NewEvent[] = [];
  const [from, to] = [before.phase, after.phase];
  if (from !== to) events.push({ type: "state_changed", subject, message: `${name}: ${from} → ${to}`, attributes: { from, to } });
  if (after.phase === "failed" && from !== "failed") {
    const { reason } = after;
    events.push({ type: "gave_up", subject, message: `${name} will not be started again: ${reason}`, attributes: { reason } });
  }
  if (after.phase === "stopping" && after.kills > 1) {
    const pids = survivors().join(" ");
    events.push({ type: "survivors", subject, message: `${name}: SIGKILL did not end ${pids}`, attributes: { pids } });
  }
  return events;
}

/** What a pmd that is started again has to know of an instance that has come to rest by itself. */
export function restingOf(state: InstanceState, bootId: string): Resting | undefined {
  if (state.phase === "exited") return { phase: "exited", reason: "", bootId };
  return state.phase === "failed" ? { phase: "failed", reason: state.reason, bootId } : undefined;
}
