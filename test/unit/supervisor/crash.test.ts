import { describe, expect, it } from "vitest";
import { FakeHost } from "../../support/fake-host.ts";
import { MemoryStore } from "../../support/memory-store.ts";
import { accepted, named, never, plainSpec, ready, supervised, web, withWeb } from "../../support/supervised.ts";

describe("an instance that ends by itself", () => {
  it("is started again after its delay, and counts its restarts", async () => {
    const { supervisor, host } = await withWeb();
    host.newest.end({ status: 2 });
    const [instance] = supervisor.services.get("web").view().instances;
    expect(instance).toMatchObject({ state: "backoff", nextStartAt: host.wallTime() + 500, lastExit: { cause: "exited", code: 2 } });
    await host.pass(1500);
    expect(supervisor.services.get("web").view().instances[0]).toMatchObject({ state: "running", restarts: 1 });
  });

  it("with others of its run alive is not replaced before they are gone", async () => {
    const { supervisor, host } = await withWeb();
    host.newest.onKill = () => undefined;
    host.newest.orphan();
    expect(host.newest.sent).toEqual(["kill"]);
    await host.pass(1000);
    expect([supervisor.services.get("web").view().state, host.launched.length]).toEqual(["stopping", 1]);
    host.newest.end({ status: 137, signal: "SIGKILL" });
    await host.pass(1500);
    expect([supervisor.services.get("web").view().state, host.launched.length, host.alive.length]).toEqual(["running", 2, 1]);
  });

  it("by SIGKILL, and had a process killed for want of memory, is shown to have ended by that until it ends otherwise", async () => {
    const { supervisor, host } = await withWeb();
    const view = () => supervisor.services.get("web").view();
    host.newest.end({ status: 137, signal: "SIGKILL", oomKills: 1 });
    await host.pass(1500);
    const conditions = [{ type: "oom_killed" }];
    expect(view()).toMatchObject({ state: "running", conditions, instances: [{ lastExit: { cause: "oom", signal: "SIGKILL" } }] });
    host.newest.end({ status: 137, signal: "SIGKILL", oomKills: 0 });
    await host.pass(2500);
    expect(view()).toMatchObject({ state: "running", conditions: [], instances: [{ lastExit: { cause: "signalled", message: "" } }] });
  });

  it("with a code, after a child of it was killed for want of memory, has exited, and the message tells of the child", async () => {
    const { supervisor, host } = await withWeb();
    host.newest.end({ status: 3, oomKills: 2 });
    const message = "the kernel killed 2 of its processes for want of memory";
    expect(supervisor.services.get("web").view().instances[0]?.lastExit).toMatchObject({ cause: "exited", code: 3, message });
  });

  it("five times within five minutes is called a crash loop, and goes on", async () => {
    const { supervisor, host, eventTypes } = supervised();
    host.onLaunch = (run) => {
      run.spawn();
      run.end({ status: 1 });
    };
    await supervisor.create(web, accepted, never);
    await host.pass(20_000);
    expect(supervisor.services.get("web").view().conditions).toMatchObject([{ type: "crash_loop" }]);
    expect(eventTypes().filter((type) => type === "crash_loop").length).toBe(1);
    expect(supervisor.services.get("web").view().state).toBe("backoff");
  });

  it("more often than max_restarts within the window gives up, says why, and stays so when pmd starts again", async () => {
    const { supervisor, host, store, eventTypes } = supervised();
    host.onLaunch = (run) => {
      run.spawn();
      run.end({ status: 1 });
    };
    await supervisor.create({ ...web, spec: plainSpec({ restart: { ...plainSpec().restart, maxRestarts: 2 } }) }, accepted, never);
    await host.pass(60_000);
    expect([supervisor.services.get("web").view().state, host.launched.length]).toEqual(["failed", 3]);
    expect(eventTypes()).toContain("gave_up");
    const again = supervised(new FakeHost(), store);
    await again.host.pass(60_000);
    expect([again.supervisor.services.get("web").view().state, again.host.launched.length]).toEqual(["failed", 0]);
  });

  it("and is to be left at that is exited or failed, and its exit is known when pmd starts again", async () => {
    const never_ = plainSpec({ restart: { ...plainSpec().restart, mode: "never" } });
    const { supervisor, host, store } = await withWeb(never_);
    host.newest.end({ status: 0 });
    expect(supervisor.services.get("web").view().state).toBe("exited");
    const again = supervised(new FakeHost(), store);
    expect(again.supervisor.services.get("web").view()).toMatchObject({ state: "exited", instances: [{ lastExit: { code: 0 } }] });
  });

  it("records each exit once, with what it said last", async () => {
    const { supervisor, host, eventTypes } = await withWeb();
    host.newest.end({ status: 2 });
    host.newest.end({ status: 2 });
    await host.pass(0);
    expect(supervisor.services.runs("web", 10)).toMatchObject([{ end: { code: 2, lastLines: ["its last words"] } }]);
    expect(eventTypes().filter((type) => type === "run_ended").length).toBe(1);
  });

  it("lets its run directory go only when the end is on disk", async () => {
    const { host, store } = await withWeb();
    const stored = Promise.withResolvers<void>();
    store.flushed = () => stored.promise;
    host.newest.end({ status: 2 });
    await host.pass(0);
    expect(host.forgotten).toEqual([]);
    stored.resolve();
    await host.pass(0);
    expect(host.forgotten).toEqual([host.launched[0]?.id]);
  });

  it("at once, again and again, never makes two of it", async () => {
    const host = new FakeHost();
    const { supervisor } = supervised(host);
    host.onLaunch = (run) => {
      expect(host.alive.length).toBe(1);
      run.spawn();
      if (host.launched.length < 50) run.end({ status: 1 });
    };
    const restart = { ...plainSpec().restart, delayMs: 0 };
    await supervisor.create({ ...web, spec: plainSpec({ restart }) }, accepted, never);
    await host.pass(0);
    expect(host.launched.length).toBe(50);
    await supervisor.stop(named("web"), {}, ready, never);
  });
});

describe("a pmd that starts on what an earlier one left", () => {
  async function left(desired: "running" | "stopped" = "running") {
    const store = new MemoryStore();
    const before = supervised(new FakeHost(), store);
    await before.supervisor.create(web, accepted, never);
    await before.host.pass(2000);
    if (desired === "stopped") {
      before.host.newest.onAsk = () => undefined;
      await before.supervisor.stop(named("web"), {}, accepted, never);
    }
    const host = new FakeHost();
    host.found = [{ order: before.host.newest.order, startedAt: before.host.newest.startedAt - 60_000 }];
    return { host, store };
  }

  it("takes over what runs, and it is running at once", async () => {
    const { host, store } = await left();
    const { supervisor, eventTypes } = supervised(host, store);
    expect(supervisor.services.get("web").view().state).toBe("unknown");
    await host.pass(1);
    expect(supervisor.services.get("web").view()).toMatchObject({ state: "running", conditions: [{ type: "adopted" }] });
    expect([host.launched.length, supervisor.services.adopted]).toEqual([1, 1]);
    expect(eventTypes()).toContain("run_adopted");
  });

  it("finishes a stop that was asked for", async () => {
    const { host, store } = await left("stopped");
    const { supervisor } = supervised(host, store);
    await host.pass(1);
    expect([supervisor.services.get("web").view().state, host.alive.length]).toEqual(["stopped", 0]);
  });

  it("records an exit that nobody saw, and starts it again", async () => {
    const { host, store } = await left();
    host.onLaunch = (run) => (host.launched.length === 1 ? run.end({ status: 7 }) : run.spawn());
    const { supervisor } = supervised(host, store);
    await host.pass(2000);
    expect(supervisor.services.runs("web", 5)).toMatchObject([{}, { end: { cause: "exited", code: 7 } }]);
    expect(supervisor.services.get("web").view().state).toBe("running");
  });

  it("does not record an exit twice that is stored already", async () => {
    const { host, store } = await left();
    const runId = host.found[0]?.order.runId ?? "";
    store.endRun(runId, { cause: "exited", code: 7, endedAt: 0, uptimeMs: 0, peakMemoryBytes: 0, lastLines: [], message: "" });
    host.onLaunch = (run) => (run.id === runId ? run.end({ status: 7 }) : run.spawn());
    const { supervisor, eventTypes } = supervised(host, store);
    await host.pass(2000);
    expect(eventTypes().filter((type) => type === "run_ended")).toEqual([]);
    expect(host.forgotten).toEqual([runId]);
    expect([supervisor.services.get("web").view().state, host.alive.length]).toEqual(["running", 1]);
  });

  it("calls a run lost of which nothing is left, as after a boot, and starts the service", async () => {
    const { host, store } = await left();
    host.found = [];
    const { supervisor } = supervised(host, store);
    await host.pass(2000);
    expect(supervisor.services.runs("web", 5)).toMatchObject([{}, { end: { cause: "lost" } }]);
    expect(supervisor.services.get("web").view().state).toBe("running");
  });

  it("ends a run whose service is not known any more, and the older of two runs of one instance", async () => {
    const { host, store } = await left();
    const [mine] = host.found;
    if (!mine) throw new Error("no run was left");
    host.found = [
      { ...mine, order: { ...mine.order, runId: "older" }, startedAt: mine.startedAt - 1000 },
      mine,
      { ...mine, order: { ...mine.order, runId: "stranger", service: "gone" } },
    ];
    const { supervisor, eventTypes } = supervised(host, store);
    await host.pass(10);
    expect(host.alive.map(({ id }) => id)).toEqual([mine.order.runId]);
    expect(host.forgotten.sort()).toEqual(["older", "stranger"]);
    // The older one was of a service that there is: its end is a fact like any other.
    expect(supervisor.services.runs("web", 5).find(({ id }) => id === "older")).toMatchObject({ end: { cause: "signalled", signal: "SIGKILL" } });
    expect(eventTypes().filter((type) => type === "run_ended").length).toBe(1);
  });
});
