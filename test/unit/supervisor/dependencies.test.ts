import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Dependency, ServiceSpec } from "../../../src/core/spec.ts";
import type { FakeHost, FakeRun } from "../../support/fake-host.ts";
import { FakeHost as Host } from "../../support/fake-host.ts";
import { accepted, named, never, plainSpec, ready, supervised } from "../../support/supervised.ts";

const hard: Dependency = { condition: "healthy", onLoss: "stop", required: true };
type Supervised = ReturnType<typeof supervised>;

/** Dependencies first; `needs` names them, or says more. */
async function create({ supervisor }: Supervised, name: string, needs: Record<string, Partial<Dependency>> = {}, more: Partial<ServiceSpec> = {}) {
  const dependsOn = Object.fromEntries(Object.entries(needs).map(([other, need]) => [other, { ...hard, ...need }]));
  await supervisor.create(
    { namespace: "default", name, spec: plainSpec({ ...(Object.keys(needs).length > 0 && { dependsOn }), ...more }) },
    accepted,
    never,
  );
}

/** web → api → db, all running. */
async function chain(needs: Partial<Dependency> = {}): Promise<Supervised> {
  const all = supervised();
  await create(all, "db");
  await create(all, "api", { db: needs });
  await create(all, "web", { api: needs });
  await all.host.pass(5000);
  expect(states(all)).toEqual({ api: "running", db: "running", web: "running" });
  return all;
}

function states({ services }: Supervised): Record<string, string> {
  return Object.fromEntries(services.list().map(({ name, state }) => [name, state]));
}

function reasonOf({ services }: Supervised, name: string): string | undefined {
  return services.get(name).view().instances[0]?.stateReason;
}

function runOf({ host }: { host: FakeHost }, name: string): FakeRun {
  const run = host.launched.findLast(({ order }) => order.service === name);
  if (!run) throw new Error(`${name} has never run`);
  return run;
}

function launches({ host }: Supervised): string[] {
  return host.launched.map(({ order }) => order.service);
}

/** In which order runs were asked to end and were gone, from here on. */
function watchEnds({ host }: Supervised): string[] {
  const story: string[] = [];
  for (const run of host.alive) {
    const { service } = run.order;
    run.onAsk = () => {
      story.push(`${service} asked`);
      host.after(1000, () => {
        story.push(`${service} gone`);
        run.end({ status: 143, signal: "SIGTERM" });
      });
    };
  }
  return story;
}

const inReverse = ["web asked", "web gone", "api asked", "api gone", "db asked", "db gone"];

describe("a service with a dependency", () => {
  it("waits, and says for what, until that is ready, and then starts by itself", async () => {
    const all = supervised();
    await create(all, "db");
    await create(all, "api", { db: {} });
    await create(all, "web", { api: {} });
    await all.host.pass(500);
    expect(states(all)).toEqual({ api: "waiting", db: "starting", web: "waiting" });
    expect(reasonOf(all, "api")).toBe("waits for db: it is starting");
    expect(reasonOf(all, "web")).toBe("waits for api: it waits for db");
    await all.host.pass(700);
    expect(states(all)).toEqual({ api: "starting", db: "running", web: "waiting" });
    await all.host.pass(2000);
    expect(states(all)).toEqual({ api: "running", db: "running", web: "running" });
    expect(launches(all)).toEqual(["db", "api", "web"]);
  });

  it("on which it only has to follow starts with the process of that", async () => {
    const all = supervised();
    await create(all, "db");
    await create(all, "api", { db: { condition: "started" } });
    await all.host.pass(500);
    expect(states(all)).toEqual({ api: "starting", db: "starting" });
  });

  it("that has to complete starts when that has ended well, and says why it does not when it has ended badly", async () => {
    for (const [status, state, reason] of [
      [0, "starting", ""],
      [1, "waiting", "waits for job: it has failed: it failed, and its restart policy leaves it at that"],
    ] as const) {
      const all = supervised();
      await create(all, "job", {}, { restart: { ...plainSpec().restart, mode: "never" } });
      await create(all, "api", { job: { condition: "completed_ok" } });
      await all.host.pass(2000);
      expect(reasonOf(all, "api")).toBe("waits for job: it has not completed");
      runOf(all, "job").end({ status });
      await all.host.pass(0);
      expect([states(all).api, reasonOf(all, "api")]).toEqual([state, reason]);
    }
  });

  it("that has to complete is completed anew when both are started, whichever is named first", async () => {
    const all = supervised();
    await create(all, "job", {}, { restart: { ...plainSpec().restart, mode: "never" } });
    await create(all, "api", { job: { condition: "completed_ok" } });
    await all.host.pass(2000);
    runOf(all, "job").end({ status: 0 });
    await all.host.pass(2000);
    await all.supervisor.stop(named("api", "job"), {}, ready, never);
    await all.supervisor.start(named("api", "job"), accepted, never);
    await all.host.pass(2000);
    expect([states(all), launches(all)]).toEqual([{ api: "waiting", job: "running" }, ["job", "api", "job"]]);
    await all.supervisor.restart(named("api", "job"), "", accepted, never);
    await all.host.pass(2000);
    runOf(all, "job").end({ status: 0 });
    await all.host.pass(2000);
    expect([states(all), launches(all)]).toEqual([{ api: "running", job: "exited" }, ["job", "api", "job", "job", "api"]]);
  });

  it("answers a start at once with an error that names what has failed, while the rest goes on", async () => {
    const all = supervised();
    await create(all, "db", {}, { restart: { ...plainSpec().restart, mode: "never" } });
    await create(all, "api", { db: {} });
    await create(all, "web", { api: {} });
    await create(all, "other");
    all.host.onLaunch = (run) => {
      run.spawn();
      if (run.order.service === "db") run.end({ status: 3 });
    };
    await all.host.pass(3000);
    await all.supervisor.stop(named("db", "api", "web", "other"), {}, ready, never);
    const starting = all.supervisor.start(named("web", "api", "other"), ready, never);
    await all.host.pass(3000);
    const results = await starting;
    expect(results.map(({ name, error }) => [name, error?.reason])).toEqual([
      ["default/web", "DEPENDENCY_DOWN"],
      ["default/api", "DEPENDENCY_DOWN"],
      ["default/other", undefined],
    ]);
    expect(results[0]?.error).toMatchObject({
      message: expect.stringContaining("cannot start web#0: it waits for api, which waits for db: it has failed"),
      metadata: { name: "web#0", dependency: "db" },
    });
    expect(states(all)).toEqual({ api: "waiting", db: "failed", other: "running", web: "waiting" });
  });

  it("starts along what it cannot do without, also if an operator has stopped that, and nothing else", async () => {
    const all = await chain();
    await create(all, "cache");
    await create(all, "shop", { api: {}, cache: { required: false, onLoss: "ignore" } });
    await all.host.pass(3000);
    await all.supervisor.stop(named("db", "api", "web", "cache", "shop"), {}, ready, never);
    const starting = all.supervisor.start(named("shop"), ready, never);
    await all.host.pass(5000);
    expect((await starting)[0]?.outcome).toBe("done");
    expect(states(all)).toEqual({ api: "running", cache: "stopped", db: "running", shop: "running", web: "stopped" });
    expect(all.services.get("db").desired).toBe("running");
  });

  it("starts along what it cannot do without when it is made, and when pmd starts, unless somebody has stopped that", async () => {
    const all = supervised();
    await create(all, "disk", {}, { autostart: false });
    await create(all, "db", { disk: {} }, { autostart: false });
    await create(all, "other", {}, { autostart: false });
    await create(all, "api", { db: {} });
    await all.host.pass(5000);
    expect(states(all)).toEqual({ api: "running", db: "running", disk: "running", other: "stopped" });

    const { services, store } = supervised();
    for (const name of ["disk", "db"]) services.create({ namespace: "default", name, source: "", spec: plainSpec({ autostart: false }) });
    services.create({ namespace: "default", name: "api", source: "", spec: plainSpec({ dependsOn: { disk: hard, db: hard } }) });
    services.change([[services.get("db"), { overrides: { desired: "stopped" } }]]);
    const again = supervised(new Host(), store);
    await again.host.pass(5000);
    expect(states(again)).toEqual({ api: "waiting", db: "stopped", disk: "running" });
    expect(reasonOf(again, "api")).toBe("waits for db: it is stopped");
  });

  it("that it can do without waits for it only while it is on its way", async () => {
    const all = supervised();
    await create(all, "cache", {}, { autostart: false });
    await create(all, "api", { cache: { required: false, onLoss: "ignore" }, nobody: { required: false, onLoss: "ignore" } });
    await all.host.pass(2000);
    expect(states(all)).toEqual({ api: "running", cache: "stopped" });
    await all.supervisor.start(named("cache"), accepted, never);
    await all.supervisor.restart(named("api"), "", accepted, never);
    await all.host.pass(100);
    expect(reasonOf(all, "api")).toBe("waits for cache: it is starting");
  });

  it("can be stopped while it waits, and stays stopped", async () => {
    const all = supervised();
    await create(all, "db");
    await create(all, "api", { db: {} });
    await all.supervisor.stop(named("api"), {}, ready, never);
    await all.host.pass(5000);
    expect([states(all), launches(all)]).toEqual([{ api: "stopped", db: "running" }, ["db"]]);
  });

  it("waits for its turn behind others when what it depends on is there", async () => {
    const all = supervised();
    all.host.onLaunch = (run) => (run.order.service === "db" ? run.spawn() : undefined);
    await create(all, "db");
    for (let i = 0; i < 20; i++) await create(all, `api-${i}`, { db: {} });
    await all.host.pass(1500);
    const waiting = all.services.list().filter(({ state }) => state === "waiting");
    expect(waiting.map(({ instances }) => instances[0]?.stateReason)).toEqual(Array(4).fill("waits for its turn: others are being started"));
    for (const run of all.host.alive) if (run.pid === undefined) run.spawn();
    await all.host.pass(0);
    expect(all.host.launched.length).toBe(21);
  });
});

describe("a stop", () => {
  it("stops first those that depend on it, one after the other, and these wait until it is started again", async () => {
    const all = await chain();
    const story = watchEnds(all);
    const stopping = all.supervisor.stop(named("db"), {}, ready, never);
    await all.host.pass(5000);
    expect([story, (await stopping)[0]?.outcome]).toEqual([inReverse, "done"]);
    expect(states(all)).toEqual({ api: "waiting", db: "stopped", web: "waiting" });
    expect(reasonOf(all, "web")).toBe("waits for api, which waits for db: it is stopped");
    expect(all.services.get("api").view()).toMatchObject({ desired: "running", instances: [{ lastExit: { cause: "dependency" } }] });
    await all.supervisor.start(named("db"), accepted, never);
    await all.host.pass(5000);
    expect(states(all)).toEqual({ api: "running", db: "running", web: "running" });
  });

  it("of all goes in reverse order, also where only the order was said, and so does the end of pmd with its services", async () => {
    for (const how of ["stop", "shutdown"] as const) {
      const all = supervised();
      await create(all, "db");
      await create(all, "api", {}, { after: ["db"] });
      await create(all, "web", { api: { onLoss: "ignore" } });
      await all.host.pass(5000);
      const story = watchEnds(all);
      const stopping = how === "stop" ? all.supervisor.stop(named("db", "api", "web"), {}, ready, never) : all.supervisor.stopAll(60_000, never);
      await all.host.pass(5000);
      expect([story, (await stopping).map(({ outcome }) => outcome)]).toEqual([inReverse, ["done", "done", "done"]]);
    }
  });

  it("leaves those alone that run on without it", async () => {
    const all = await chain({ onLoss: "ignore" });
    await all.supervisor.stop(named("db"), {}, ready, never);
    expect(states(all)).toEqual({ api: "running", db: "stopped", web: "running" });
  });

  it("of one instance of several takes nobody along, and that of the last one does", async () => {
    const all = supervised();
    await create(all, "db", {}, { instances: 2 });
    await create(all, "api", { db: {} });
    await all.host.pass(5000);
    await all.supervisor.stop(named("db#0"), {}, ready, never);
    expect(states(all).api).toBe("running");
    await all.supervisor.stop(named("db#1"), {}, ready, never);
    await all.host.pass(0);
    expect(states(all).api).toBe("waiting");
  });

  it("in a hurry hurries those that stop before it", async () => {
    const all = await chain();
    for (const run of all.host.alive) run.onAsk = () => undefined;
    const stopping = all.supervisor.stop(named("db"), { graceMs: 10 }, ready, never);
    await all.host.pass(100);
    expect([(await stopping)[0]?.outcome, states(all)]).toEqual(["done", { api: "waiting", db: "stopped", web: "waiting" }]);
  });

  it("that is accepted and has not begun is taken back by a start", async () => {
    const all = await chain();
    const [db] = all.services.get("db").instances;
    watchEnds(all);
    const stopping = all.supervisor.stop(named("db"), {}, ready, never);
    await all.host.pass(100);
    await all.supervisor.start(named("db"), accepted, never);
    expect((await stopping)[0]?.error?.reason).toBe("SUPERSEDED");
    await all.host.pass(9000);
    expect(states(all)).toEqual({ api: "running", db: "running", web: "running" });
    expect(db?.run?.id).toBe(all.host.launched[0]?.id);
  });

  it("does not wait for what outlives SIGKILL", async () => {
    const all = await chain();
    for (const name of ["api", "web"]) runOf(all, name).onAsk = () => undefined;
    runOf(all, "api").onKill = () => undefined;
    const stopping = all.supervisor.stop(named("db"), {}, ready, never);
    await all.host.pass(60_000);
    expect([(await stopping)[0]?.outcome, states(all)]).toEqual(["done", { api: "stopping", db: "stopped", web: "waiting" }]);
    runOf(all, "api").end();
  });
});

describe("a restart", () => {
  it("of a dependency takes those along that cannot do without it, in order", async () => {
    const all = await chain();
    const story = watchEnds(all);
    const restarting = all.supervisor.restart(named("db"), "", ready, never);
    await all.host.pass(9000);
    expect([story, (await restarting)[0]?.outcome]).toEqual([inReverse, "done"]);
    expect(launches(all)).toEqual(["db", "api", "web", "db", "api", "web"]);
    expect(states(all)).toEqual({ api: "running", db: "running", web: "running" });
  });

  it("of all ends in reverse order and starts in order", async () => {
    const all = await chain();
    const story = watchEnds(all);
    const restarting = all.supervisor.restart(named("web", "db", "api"), "", ready, never);
    await all.host.pass(9000);
    expect((await restarting).map(({ outcome }) => outcome)).toEqual(["done", "done", "done"]);
    expect([story, launches(all).slice(3)]).toEqual([inReverse, ["db", "api", "web"]]);
  });
});

describe("when a dependency ends by itself", () => {
  it("its dependents stop in reverse order, wait, and come back by themselves, and it costs them no restarts", async () => {
    const all = await chain();
    const story = watchEnds(all);
    runOf(all, "db").end({ status: 1 });
    await all.host.pass(100);
    expect(reasonOf(all, "api")).toBe("");
    await all.host.pass(5000);
    expect(story).toEqual(["web asked", "web gone", "api asked", "api gone"]);
    expect(launches(all)).toEqual(["db", "api", "web", "db", "api", "web"]);
    for (const name of ["api", "web"]) {
      const [instance] = all.services.get(name).instances;
      expect(instance?.model).toMatchObject({ state: { phase: "running" }, restarts: 0, failures: 0, ends: [] });
      expect(instance?.lastExit).toMatchObject({ cause: "dependency" });
    }
  });

  it("again and again, it wears out itself, and not those that cannot do without it", async () => {
    const all = supervised();
    await create(all, "db", {}, { restart: { ...plainSpec().restart, delayMs: 10 } });
    await create(all, "api", { db: {} }, { restart: { ...plainSpec().restart, maxRestarts: 0 } });
    await all.host.pass(5000);
    for (let round = 0; round < 5; round++) {
      runOf(all, "db").end({ status: 1 });
      // It notices by itself, and ends before it is told to.
      runOf(all, "api").end({ status: 1 });
      await all.host.pass(60_000);
      expect(states(all)).toEqual({ api: "running", db: "running" });
    }
  });

  it("and fails for good, they wait and say so", async () => {
    const all = supervised();
    await create(all, "db", {}, { restart: { ...plainSpec().restart, mode: "never" } });
    await create(all, "api", { db: {} });
    await all.host.pass(5000);
    runOf(all, "db").end({ status: 1 });
    await all.host.pass(5000);
    expect([states(all), reasonOf(all, "api")]).toEqual([
      { api: "waiting", db: "failed" },
      "waits for db: it has failed: it failed, and its restart policy leaves it at that",
    ]);
  });

  it("those that are to be restarted run on until it is ready again, and those that run on are left alone", async () => {
    const all = supervised();
    await create(all, "db");
    await create(all, "again", { db: { onLoss: "restart" } });
    await create(all, "on", { db: { onLoss: "ignore" } });
    await all.host.pass(5000);
    runOf(all, "db").end({ status: 1 });
    await all.host.pass(1000);
    expect([states(all), launches(all).length]).toEqual([{ again: "running", db: "starting", on: "running" }, 4]);
    await all.host.pass(5000);
    expect(launches(all).slice(4)).toEqual(["again"]);
    expect(all.services.get("again").instances[0]?.lastExit).toMatchObject({ cause: "dependency" });
    await all.host.pass(60_000);
    expect(launches(all).length).toBe(5);
  });

  it("but has others of its instances up, nobody is stopped", async () => {
    const all = supervised();
    await create(all, "db", {}, { instances: 2 });
    await create(all, "api", { db: {} });
    await all.host.pass(5000);
    runOf(all, "db").end({ status: 1 });
    await all.host.pass(5000);
    expect(launches(all)).toEqual(["db", "db", "api", "db"]);
  });

  it("after it had completed, that is no loss", async () => {
    const all = supervised();
    await create(all, "job", {}, { restart: { ...plainSpec().restart, mode: "on-failure" } });
    await create(all, "api", { job: { condition: "completed_ok" } });
    await all.host.pass(1500);
    runOf(all, "job").end({ status: 0 });
    await all.host.pass(3000);
    await all.supervisor.restart(named("job"), "", accepted, never);
    await all.host.pass(3000);
    expect([states(all), launches(all)]).toEqual([{ api: "running", job: "running" }, ["job", "api", "job"]]);
  });
});

describe("a pmd that is started again", () => {
  const found = (run: FakeRun) => ({ order: run.order, startedAt: run.startedAt });

  it("takes over dependents and dependencies and restarts none of them, and those that wait go on waiting", async () => {
    const all = await chain();
    await create(all, "slow", {}, { start: { settleMs: 30_000, timeoutMs: 60_000 } });
    await create(all, "late", { slow: {} });
    await all.host.pass(1000);
    const host = new Host();
    host.found = all.host.alive.map(found);
    const again = supervised(host, all.store);
    await host.pass(5000);
    expect(states(again)).toMatchObject({ api: "running", db: "running", web: "running", slow: "starting", late: "waiting" });
    expect(again.services.get("api").instances[0]?.run?.id).toBe(all.services.get("api").instances[0]?.run?.id);
    expect(host.launched.flatMap(({ sent }) => sent)).toEqual([]);
    await host.pass(60_000);
    expect(states(again).late).toBe("running");
  });

  it("restarts what was to be restarted when its dependency is back, which ended while no pmd was there", async () => {
    const all = supervised();
    await create(all, "db");
    await create(all, "again", { db: { onLoss: "restart" } });
    await all.host.pass(5000);
    const host = new Host();
    host.found = all.host.alive.filter(({ order }) => order.service === "again").map(found);
    await host.pass(all.host.now());
    const next = supervised(host, all.store);
    await host.pass(500);
    expect([states(next).again, launches(next).length]).toEqual(["running", 2]);
    await host.pass(5000);
    expect([states(next), launches(next)]).toEqual([{ again: "running", db: "running" }, ["again", "db", "again"]]);
  });

  it("stops what runs without what it needs, and carries out a stop in order", async () => {
    const all = await chain();
    const host = new Host();
    host.found = all.host.alive.filter(({ order }) => order.service !== "db").map(found);
    const again = supervised(host, all.store);
    await host.pass(100);
    expect(states(again)).toEqual({ api: "waiting", db: "starting", web: "waiting" });
    await host.pass(5000);
    expect(states(again)).toEqual({ api: "running", db: "running", web: "running" });

    for (const run of host.alive) run.onAsk = () => undefined;
    await again.supervisor.stop(named("db"), {}, accepted, never);
    const third = new Host();
    third.found = host.alive.map(found);
    const last = supervised(third, again.store);
    await third.pass(5000);
    expect(states(last)).toEqual({ api: "waiting", db: "stopped", web: "waiting" });
  });
});

describe("the graph", () => {
  it("of names that nobody has, or that goes round, is refused over the API", async () => {
    const all = await chain();
    const spec = (needs: string[]) => plainSpec({ dependsOn: Object.fromEntries(needs.map((name) => [name, hard])) });
    const make = () => all.supervisor.create({ namespace: "default", name: "x", spec: spec(["db", "nobody"]) }, accepted, never);
    await expect(make()).rejects.toMatchObject({
      reason: "INVALID_FIELD",
      violations: [{ field: 'spec.depends_on["nobody"]', message: 'no service is named "nobody"' }],
    });
    const update = () => all.supervisor.update("db", spec(["web"]), { leaveRunning: false }, accepted, never);
    await expect(update()).rejects.toMatchObject({
      violations: [{ field: 'spec.depends_on["web"]', message: "goes round: db → web → api → db; none of them could start" }],
    });
    const self = () => all.supervisor.update("db", spec(["db"]), { leaveRunning: false }, accepted, never);
    await expect(self()).rejects.toMatchObject({ violations: [{ message: "goes round: db → db; none of them could start" }] });
  });

  it("with an end that never comes is refused", async () => {
    const all = await chain();
    const make = () => create(all, "x", { db: { condition: "completed" } });
    await expect(make()).rejects.toMatchObject({
      violations: [{ message: expect.stringContaining("db never completes: its restart policy is always") }],
    });
  });

  it("keeps what others depend on from being deleted, unless they go too", async () => {
    const all = await chain();
    const remove = (...names: string[]) => all.supervisor.delete(named(...names), { validateOnly: false }, ready, never);
    await expect(remove("db", "web")).rejects.toMatchObject({ reason: "HAS_DEPENDENTS", metadata: { name: "db", dependents: "api" } });
    expect(states(all)).toEqual({ api: "running", db: "running", web: "running" });
    const story = watchEnds(all);
    const removing = remove("db", "web", "api");
    await all.host.pass(5000);
    await removing;
    expect([story, states(all)]).toEqual([inReverse, {}]);
  });

  it("may be changed while a service waits, and it goes on if nothing is in its way any more", async () => {
    const all = supervised();
    await create(all, "db");
    await create(all, "api", { db: {} });
    await all.supervisor.stop(named("db"), {}, ready, never);
    expect(reasonOf(all, "api")).toBe("waits for db: it is stopped");
    await all.supervisor.update("api", plainSpec(), { leaveRunning: false }, accepted, never);
    await all.host.pass(2000);
    expect(states(all).api).toBe("running");
  });
});

describe("why a service is as it is", () => {
  it("is told from it to where that begins, each once", async () => {
    const all = await chain();
    await create(all, "shop", { web: {}, db: {}, nobody: { required: false } });
    runOf(all, "db").end({ status: 137, oomKills: 1 });
    await all.host.pass(100);
    const told = all.services.explain("shop");
    expect(told.map(({ name, sentence }) => [name, sentence])).toEqual([
      ["default/shop", "shop waits for web, which waits for db: it is in backoff, and for db: it is in backoff"],
      ["default/web", "web waits for api, which waits for db: it is in backoff"],
      ["default/db", "db is in backoff: it has ended, and is started again when its delay has passed"],
      ["default/api", "api waits for db: it is in backoff"],
    ]);
    expect(told[2]).toMatchObject({ state: "backoff", lastExit: { code: 137, lastLines: ["its last words"] }, nextStartAt: expect.any(Number) });
  });

  it("says who has stopped it", async () => {
    const all = await chain();
    await create(all, "spare", {}, { autostart: false });
    await all.supervisor.stop(named("db"), {}, ready, never);
    const sentences = ["api", "db", "spare"].map((name) => all.services.explain(name)[0]?.sentence);
    expect(sentences).toEqual([
      "api waits for db: it is stopped",
      "db is stopped: somebody has stopped it",
      "spare is stopped: its autostart is false, and nobody has started it",
    ]);
  });
});

describe("in any graph, whatever happens", () => {
  const names = ["a", "b", "c", "d", "e"];
  const edge = fc.record({
    from: fc.constantFrom(...names),
    to: fc.constantFrom(...names),
    condition: fc.constantFrom("started" as const, "healthy" as const),
    onLoss: fc.constantFrom("stop" as const, "stop" as const, "restart" as const, "ignore" as const),
    required: fc.boolean(),
  });
  const step = fc.record({
    what: fc.constantFrom("start", "stop", "restart", "crash", "pass"),
    name: fc.constantFrom(...names),
    ms: fc.integer({ min: 0, max: 1500 }),
  });

  it("nothing starts without what it requires, nothing ends before what goes with it, and in the end all is as it should be", {
    timeout: 60_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(edge, { maxLength: 8 }), fc.array(step, { maxLength: 12 }), async (edges, steps) => {
        const all = supervised();
        const { host, supervisor } = all;
        const stateOf = (name: string) => all.services.find(`default/${name}`)?.instances[0];
        const needsOf = (name: string) =>
          Object.fromEntries(edges.filter(({ from, to }) => from === name && to < name).map(({ from: _, to, ...need }) => [to, need]));
        host.onLaunch = (run) => {
          run.onAsk = () => host.after(300, () => run.end({ status: 143 }));
          run.spawn();
        };
        const launch = host.launch.bind(host);
        host.launch = (order, listener) => {
          for (const [other, need] of Object.entries(needsOf(order.service))) {
            if (!need.required) continue;
            expect(need.condition === "started" ? stateOf(other)?.alive : stateOf(other)?.ready).toBe(true);
          }
          return launch(order, listener);
        };
        for (const name of names) await create(all, name, needsOf(name));
        for (const { what, name, ms } of steps) {
          if (what === "start") await supervisor.start(named(name), accepted, never);
          if (what === "stop") await supervisor.stop(named(name), {}, accepted, never);
          if (what === "restart") await supervisor.restart(named(name), "", accepted, never);
          if (what === "crash") host.alive.find(({ order }) => order.service === name)?.end({ status: 1 });
          await host.pass(ms);
        }
        await supervisor.start(named(...names), accepted, never);
        await host.pass(120_000);
        expect(states(all)).toEqual({ a: "running", b: "running", c: "running", d: "running", e: "running" });
        const before = host.launched.length;
        await host.pass(120_000);
        expect(host.launched.length).toBe(before);

        for (const run of host.alive) {
          const { service } = run.order;
          run.onAsk = () => {
            for (const other of names) if (needsOf(other)[service]) expect(stateOf(other)?.hasRun).toBe(false);
            host.after(300, () => run.end({ status: 143 }));
          };
        }
        const stopping = supervisor.stopAll(60_000, never);
        await host.pass(10_000);
        expect((await stopping).map(({ outcome }) => outcome)).toEqual(names.map(() => "done"));
        expect(host.alive).toEqual([]);
      }),
      { numRuns: 25 },
    );
  });
});
