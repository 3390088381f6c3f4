import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type InstanceEvent, type InstanceModel, initialModel } from "../../../src/core/state.ts";
import { proveMs, transition } from "../../../src/core/transition.ts";
import { context, exit, machineTable, modelIn, states } from "../../support/machine-table.ts";

const expectedTable = `
                  start           stop               restart             clear           lost                spawned         orphaned               unfit                 gone            timeout
stopped           starting+spawn  .                  starting+spawn      .               .                   .               .                      .                     .               .
waiting           .               stopped            .                   starting+spawn  .                   .               .                      .                     .               .
starting          .               stopping/stop+ask  stopping/start+ask  .               stopping/start+ask  starting/alive  stopping/recover+kill  stopping/recover+ask  backoff         stopping/recover+kill
starting/alive    .               stopping/stop+ask  stopping/start+ask  .               stopping/start+ask  .               stopping/recover+kill  stopping/recover+ask  backoff         running
running           .               stopping/stop+ask  stopping/start+ask  .               stopping/start+ask  .               stopping/recover+kill  stopping/recover+ask  backoff         .
stopping/stop     stopping/start  .                  stopping/start      .               .                   .               stopping/stop+ask      .                     stopped         stopping/stop+kill
stopping/start    .               stopping/stop      .                   .               .                   .               stopping/start+ask     .                     starting+spawn  stopping/start+kill
stopping/recover  stopping/start  stopping/stop      stopping/start      .               .                   .               stopping/recover+ask   .                     backoff         stopping/recover+kill
backoff           starting+spawn  stopped            starting+spawn      .               .                   .               .                      .                     .               starting+spawn
exited            starting+spawn  .                  starting+spawn      .               .                   .               .                      .                     .               .
failed            starting+spawn  .                  starting+spawn      .               .                   .               .                      .                     .               .`;

describe("the machine", () => {
  it("is this table", () => {
    expect(normalized(machineTable())).toEqual(normalized(expectedTable));
  });

  it("waits where it would start and may not yet", () => {
    for (const name of ["stopped", "backoff", "exited", "failed"] as const) {
      const [next, effects] = transition(modelIn(stateOf(name)), { type: "start" }, { ...context, clear: false });
      expect([next.state.phase, effects]).toEqual(["waiting", []]);
    }
  });

  it("goes on from waiting only when it may start", () => {
    const waiting = modelIn({ phase: "waiting" });
    expect(transition(waiting, { type: "clear" }, { ...context, clear: false })).toEqual([waiting, []]);
  });

  it("ends for the loss of a dependency, with that as the cause, and waits until it may start", () => {
    const worn: InstanceModel = { ...modelIn({ phase: "running" }), failures: 3, restarts: 3, ends: [1] };
    const [ending, effects] = transition(worn, { type: "lost", graceMs: 3000 }, context);
    expect(ending).toMatchObject({ state: { phase: "stopping", next: "start", cause: "dependency", deadline: context.now + 3000 } });
    expect(effects).toEqual([{ type: "ask" }]);
    const [waiting] = transition(ending, { type: "gone", exit }, { ...context, clear: false, provided: false });
    expect(waiting).toEqual({ ...worn, state: { phase: "waiting" } });
    const hurried = transition(ending, { type: "lost", graceMs: 10 }, context)[0];
    expect(hurried.state).toMatchObject({ next: "start", deadline: context.now + 10 });
  });

  it("does not count an end without what it depends on, and waits where it would be started again", () => {
    const running = { ...modelIn({ phase: "running" }), failures: 1, ends: [1] };
    const restart = { ...context.restart, maxRestarts: 1 };
    const [waiting, effects] = transition(running, { type: "gone", exit }, { ...context, restart, clear: false, provided: false });
    expect([waiting, effects]).toEqual([{ ...running, state: { phase: "waiting" } }, []]);
    const once = { ...restart, mode: "never" as const };
    const [failed] = transition(running, { type: "gone", exit }, { ...context, restart: once, clear: false, provided: false });
    expect(failed.state.phase).toBe("failed");
  });

  it("gives the first kill a deadline to be proven, and kills again until it is", () => {
    let model = modelIn({ phase: "stopping", next: "stop", deadline: 0, kills: 0 });
    for (const kills of [1, 2, 3]) {
      const [next, effects] = transition(model, { type: "timeout" }, context);
      expect(next.state).toMatchObject({ phase: "stopping", kills, deadline: context.now + proveMs });
      expect(effects).toEqual([{ type: "kill" }]);
      model = next;
    }
  });

  it("gives a stop its own grace period, and a second stop only a shorter one", () => {
    const [first] = transition(modelIn({ phase: "running" }), { type: "stop", graceMs: 3000 }, context);
    expect(first.state).toMatchObject({ deadline: context.now + 3000 });
    expect(transition(first, { type: "stop", graceMs: 60_000 }, context)[0]).toBe(first);
    expect(transition(first, { type: "stop", graceMs: 0 }, context)[0].state).toMatchObject({ deadline: context.now });
  });

  it("asks what the main process has left behind, but not once it kills", () => {
    const asked = modelIn({ phase: "stopping", next: "stop", deadline: 0, kills: 0 });
    const killed = modelIn({ phase: "stopping", next: "stop", deadline: 0, kills: 1 });
    expect(transition(asked, { type: "orphaned" }, context)).toEqual([asked, [{ type: "ask" }]]);
    expect(transition(killed, { type: "orphaned" }, context)).toEqual([killed, []]);
  });

  it("remembers why it ended a run: the first reason wins", () => {
    const [replaced] = transition(modelIn({ phase: "running" }), { type: "restart" }, context);
    const [stopped] = transition(replaced, { type: "stop" }, context);
    expect(stopped.state).toMatchObject({ next: "stop", cause: "replaced" });
  });

  it("asks what is unfit to end, by its policy takes it for a failure however it ends, and restarts it no sooner than another", () => {
    const [asked] = transition(modelIn({ phase: "running" }), { type: "unfit", cause: "unhealthy" }, context);
    expect(asked.state).toMatchObject({ phase: "stopping", next: "recover", cause: "unhealthy" });
    const clean = { ...exit, status: 0 };
    const phases = (["always", "on-failure", "never"] as const).map((mode) => {
      const [next] = transition(asked, { type: "gone", exit: clean }, { ...context, restart: { ...context.restart, mode } });
      return next.state.phase;
    });
    expect(phases).toEqual(["backoff", "backoff", "failed"]);
    const [again] = transition({ ...asked, failures: 3 }, { type: "gone", exit: clean }, context);
    expect([again.failures, deadlineOf(again) - context.now]).toEqual([4, 4000]);
  });

  it("lets a stop and a restart win over what is unfit", () => {
    const [asked] = transition(modelIn({ phase: "running" }), { type: "unfit", cause: "memory_limit" }, context);
    const [stopped] = transition(asked, { type: "stop" }, context);
    expect(transition(stopped, { type: "gone", exit }, context)[0].state.phase).toBe("stopped");
    const [restarted] = transition(asked, { type: "restart" }, context);
    expect(transition(restarted, { type: "gone", exit }, context)[0].state.phase).toBe("starting");
    expect(transition(stopped, { type: "unfit", cause: "unhealthy" }, context)).toEqual([stopped, []]);
  });

  it("takes an end after the reset time for the first failure, and doubles the delay of an earlier one", () => {
    const failing = { ...modelIn({ phase: "running" }), failures: 3 };
    const soon = transition(failing, { type: "gone", exit }, context)[0];
    const late = transition(failing, { type: "gone", exit: { ...exit, uptimeMs: 60_000 } }, context)[0];
    expect([soon.failures, late.failures]).toEqual([4, 1]);
    expect([deadlineOf(soon) - context.now, deadlineOf(late) - context.now]).toEqual([4000, 500]);
  });

  it("forgets failures, restarts and ends at a manual start or restart", () => {
    const worn: InstanceModel = { state: { phase: "failed", reason: "" }, failures: 9, restarts: 9, ends: [1, 2, 3] };
    for (const type of ["start", "restart"] as const) {
      expect(transition(worn, { type }, context)[0]).toMatchObject({ failures: 0, restarts: 0, ends: [] });
    }
  });
});

describe("in any order of events", () => {
  // A model of the world: a run is alive from the spawn until its end, and only such events come as the world can send.
  const action = fc.constantFrom("start", "stop", "restart", "clear", "lost", "spawned", "orphaned", "unfit", "gone", "timeout");

  it("there are never two runs, nothing that ends by itself lacks a deadline, and the phase agrees with whether something is alive", () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), fc.boolean(), (actions, clear) => {
        let model = initialModel;
        let alive = false;
        for (const type of actions) {
          if (type === "clear" && model.state.phase !== "waiting") continue;
          if (["spawned", "orphaned", "unfit", "gone"].includes(type) && !alive) continue;
          if (type === "timeout" && !("deadline" in model.state)) continue;
          const [next, effects] = transition(model, eventOf(type), {
            ...context,
            clear: clear || type === "clear",
          });
          if (type === "gone") alive = false;
          for (const effect of effects) {
            if (effect.type !== "spawn") continue;
            expect(alive).toBe(false);
            alive = true;
          }
          model = next;
          expect(["starting", "running", "stopping"].includes(model.state.phase)).toBe(alive);
          expect("deadline" in model.state).toBe(["starting", "stopping", "backoff"].includes(model.state.phase));
        }
      }),
      { numRuns: 3000 },
    );
  });

  it("after a stop nothing but a start or a restart leads to a spawn", () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 30 }), fc.array(action, { maxLength: 30 }), (before, after) => {
        let model = play(initialModel, before).model;
        model = transition(model, { type: "stop" }, context)[0];
        const quiet = after.filter((type) => type !== "start" && type !== "restart");
        const { model: last, spawns } = play(model, quiet);
        expect(spawns).toBe(0);
        expect(["stopped", "stopping", "exited", "failed"]).toContain(last.state.phase);
      }),
      { numRuns: 3000 },
    );
  });
});

function play(start: InstanceModel, actions: readonly string[]): { model: InstanceModel; spawns: number } {
  let model = start;
  let spawns = 0;
  for (const type of actions) {
    const [next, effects] = transition(model, eventOf(type), context);
    spawns += effects.filter((effect) => effect.type === "spawn").length;
    model = next;
  }
  return { model, spawns };
}

function eventOf(type: string): InstanceEvent {
  return { type, ...(type === "gone" && { exit }), ...(type === "unfit" && { cause: "unhealthy" }) } as InstanceEvent;
}

function deadlineOf({ state }: InstanceModel): number {
  return "deadline" in state ? state.deadline : Number.NaN;
}

function stateOf(name: keyof typeof states) {
  const state = states[name];
  if (!state) throw new Error(`no state ${name}`);
  return state;
}

function normalized(table: string): string[] {
  return table
    .trim()
    .split("\n")
    .map((row) => row.trim().replaceAll(/ +/g, " "));
}
