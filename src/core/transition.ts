import { afterExit, isSuccess } from "./restart.ts";
import type { Context, EndCause, InstanceEvent, InstanceModel, InstanceState, RunExit, Step } from "./state.ts";

// The machine of one instance. It only decides: `Instance.dispatch` remembers the model, keeps the one timer and performs the effects.
//
// Three rules carry it.
//   - What comes after a stop is data (`next`), so "restart" is a stop that goes on, and a later stop only changes the word.
//   - `gone` is the only way out of a phase in which something may be alive. It is sent when nothing of the run is left, which the host has
//     to prove; the end of the main process alone (`orphaned`) never is enough.
//   - Stop wins: in every phase it leads to `stopped`, or to `stopping` with `next: "stop"`, and nothing leads away from there but a start.
//
// test/unit/core/transition.test.ts holds the whole table, and ARCHITECTURE.md shows it.

/** After SIGKILL it may take this long until nothing is left; then it is sent again, and said aloud. */
export const proveMs = 5000;

/** Ends older than this can matter to no window. */
const longestWindowMs = 604_800_000;
const maxEnds = 1000;

export function transition(model: InstanceModel, event: InstanceEvent, context: Context): Step {
  switch (model.state.phase) {
    case "stopped":
    case "exited":
    case "failed":
      return atRest(model, event, context);
    case "waiting":
      return waiting(model, event, context);
    case "starting":
      return starting(model, model.state, event, context);
    case "running":
      return running(model, event, context);
    case "stopping":
      return stopping(model, model.state, event, context);
    case "backoff":
      return backoff(model, event, context);
  }
}

function atRest(model: InstanceModel, event: InstanceEvent, context: Context): Step {
  switch (event.type) {
    case "start":
    case "restart":
      return begin(rearmed(model), context);
    case "stop":
    case "clear":
    case "lost":
    case "spawned":
    case "orphaned":
    case "unfit":
    case "gone":
    case "timeout":
      return [model, []];
  }
}

function waiting(model: InstanceModel, event: InstanceEvent, context: Context): Step {
  switch (event.type) {
    case "stop":
      return [to(model, { phase: "stopped" }), []];
    case "clear":
      return context.clear ? begin(model, context) : [model, []];
    case "start":
    case "restart":
    case "lost":
    case "spawned":
    case "orphaned":
    case "unfit":
    case "gone":
    case "timeout":
      return [model, []];
  }
}

function starting(model: InstanceModel, state: InstanceState & { phase: "starting" }, event: InstanceEvent, context: Context): Step {
  switch (event.type) {
    case "stop":
      return ask(model, { next: "stop", cause: "stopped_by_request", graceMs: event.graceMs }, context);
    case "restart":
      return ask(rearmed(model), { next: "start", cause: "replaced" }, context);
    case "lost":
      return ask(model, { next: "start", cause: "dependency", graceMs: event.graceMs }, context);
    case "spawned":
      return state.alive ? [model, []] : [to(model, { phase: "starting", alive: true, deadline: context.now + context.settleMs }), []];
    case "orphaned":
      return kill(model, { next: "recover" }, context);
    case "unfit":
      return ask(model, { next: "recover", cause: event.cause }, context);
    case "gone":
      return recover(model, event.exit, context);
    case "timeout":
      return state.alive ? [to(model, { phase: "running" }), []] : kill(model, { next: "recover", cause: "start_timeout" }, context);
    case "start":
    case "clear":
      return [model, []];
  }
}

function running(model: InstanceModel, event: InstanceEvent, context: Context): Step {
  switch (event.type) {
    case "stop":
      return ask(model, { next: "stop", cause: "stopped_by_request", graceMs: event.graceMs }, context);
    case "restart":
      return ask(rearmed(model), { next: "start", cause: "replaced" }, context);
    case "lost":
      return ask(model, { next: "start", cause: "dependency", graceMs: event.graceMs }, context);
    case "orphaned":
      return kill(model, { next: "recover" }, context);
    case "unfit":
      return ask(model, { next: "recover", cause: event.cause }, context);
    case "gone":
      return recover(model, event.exit, context);
    case "start":
    case "clear":
    case "spawned":
    case "timeout":
      return [model, []];
  }
}

function stopping(model: InstanceModel, state: InstanceState & { phase: "stopping" }, event: InstanceEvent, context: Context): Step {
  switch (event.type) {
    case "start":
    case "restart":
      return [state.next === "start" ? model : to(rearmed(model), { ...state, next: "start" }), []];
    case "stop": {
      // A second stop can only be in more of a hurry than the first.
      const deadline = event.graceMs === undefined ? state.deadline : Math.min(state.deadline, context.now + event.graceMs);
      return state.next === "stop" && deadline === state.deadline ? [model, []] : [to(model, { ...state, next: "stop", deadline }), []];
    }
    case "lost": {
      const deadline = event.graceMs === undefined ? state.deadline : Math.min(state.deadline, context.now + event.graceMs);
      return [deadline === state.deadline ? model : to(model, { ...state, deadline }), []];
    }
    case "gone":
      if (state.next === "stop") return [to(model, { phase: "stopped" }), []];
      return state.next === "start" ? begin(model, context) : recover(model, event.exit, context, state.cause);
    case "timeout":
      return [to(model, { ...state, kills: state.kills + 1, deadline: context.now + proveMs }), [{ type: "kill" }]];
    case "orphaned":
      // The main process has done as it was asked; what it leaves behind, in groups and sessions of its own perhaps, is asked too.
      return [model, state.kills === 0 ? [{ type: "ask" }] : []];
    case "clear":
    case "spawned":
    case "unfit":
      return [model, []];
  }
}

function backoff(model: InstanceModel, event: InstanceEvent, context: Context): Step {
  switch (event.type) {
    case "start":
    case "restart":
      return begin(rearmed(model), context);
    case "stop":
      return [to(model, { phase: "stopped" }), []];
    case "timeout":
      return begin({ ...model, restarts: model.restarts + 1 }, context);
    case "clear":
    case "lost":
    case "spawned":
    case "orphaned":
    case "unfit":
    case "gone":
      return [model, []];
  }
}

function begin(model: InstanceModel, context: Context): Step {
  if (!context.clear) return [to(model, { phase: "waiting" }), []];
  return [to(model, { phase: "starting", alive: false, deadline: context.now + context.startTimeoutMs }), [{ type: "spawn" }]];
}

type Stop = { next: "stop" | "start" | "recover"; cause?: EndCause; graceMs?: number | undefined };

function ask(model: InstanceModel, stop: Stop, context: Context): Step {
  return [to(model, stoppingState(stop, 0, context.now + (stop.graceMs ?? context.graceMs))), [{ type: "ask" }]];
}

function kill(model: InstanceModel, stop: Stop, context: Context): Step {
  return [to(model, stoppingState(stop, 1, context.now + proveMs)), [{ type: "kill" }]];
}

function stoppingState({ next, cause }: Stop, kills: number, deadline: number): InstanceState {
  return { phase: "stopping", next, kills, deadline, ...(cause && { cause }) };
}

/**
 * It has ended by itself, or was ended for its own good: again, or not. Without what it depends on it is not to blame: that end counts as none, and
 * it waits.
 */
function recover(model: InstanceModel, exit: RunExit, context: Context, cause?: EndCause): Step {
  const { now, restart, random, provided } = context;
  const ends = provided ? [...model.ends, now].filter((end) => end > now - longestWindowMs).slice(-maxEnds) : model.ends;
  const failures = exit.uptimeMs >= restart.resetAfterMs ? 0 : model.failures;
  // However well it took its end: what had to be ended has not succeeded.
  const success = cause === undefined && isSuccess(restart, exit);
  const verdict = afterExit(restart, success, { ends, failures }, { now, random });
  const after = { ...model, ends };
  switch (verdict.type) {
    case "restart":
      if (!provided) return [to(after, { phase: "waiting" }), []];
      return [to({ ...after, failures: failures + 1 }, { phase: "backoff", deadline: now + verdict.delayMs }), []];
    case "leave":
      return [
        to(after, verdict.success ? { phase: "exited" } : { phase: "failed", reason: "it failed, and its restart policy leaves it at that" }),
        [],
      ];
    case "give-up":
      return [to(after, { phase: "failed", reason: verdict.reason }), []];
  }
}

function rearmed(model: InstanceModel): InstanceModel {
  return { ...model, failures: 0, restarts: 0, ends: [] };
}

function to(model: InstanceModel, state: InstanceState): InstanceModel {
  return { ...model, state };
}
