import { describe, expect, it } from "vitest";
import { defaults, type HealthCheck } from "../../../src/core/spec.ts";
import type { StoredEvent } from "../../../src/supervisor/store.ts";
import { FakeHost } from "../../support/fake-host.ts";
import { FakeProber } from "../../support/fake-prober.ts";
import { MemoryStore } from "../../support/memory-store.ts";
import { accepted, named, never, plainSpec, ready, supervised, web } from "../../support/supervised.ts";

const tcp: HealthCheck = { ...defaults.health, probe: { type: "tcp", host: "", port: 1 }, intervalMs: 1000 };
const exec: HealthCheck = { ...tcp, probe: { type: "exec", command: { argv: ["check"], shell: "", args: [] } } };

const checked = plainSpec({ health: tcp, start: { ...defaults.start, settleMs: 0 } });

async function withChecked(spec = checked, answer: FakeProber["answer"] = () => true) {
  const prober = new FakeProber();
  prober.answer = answer;
  const all = supervised(new FakeHost(), new MemoryStore(), prober);
  await all.supervisor.create({ ...web, spec }, accepted, never);
  await all.host.pass(1000);
  const instance = () => all.services.get("web").view().instances[0];
  const events = (): StoredEvent[] => all.services.events.read(all.services.events.oldestCursor, 10_000).events;
  return { ...all, instance, events };
}

describe("an instance with a health check", () => {
  it("runs, and is not ready until the check passes", async () => {
    const { host, prober, instance, services } = await withChecked(checked, () => false);
    expect(instance()).toMatchObject({ state: "running", ready: false, health: { state: "starting", failures: 0 } });
    expect(services.isReady("default/web")).toBe(false);
    prober.answer = () => true;
    await host.pass(1000);
    expect(instance()).toMatchObject({
      state: "running",
      ready: true,
      health: { state: "healthy", results: [{ ok: true }, { ok: false }, {}, {}, {}] },
    });
    expect(services.isReady("default/web")).toBe(true);
  });

  it("is started when it is ready: a start that waits for that answers then", async () => {
    const { supervisor, host, prober } = await withChecked(checked, () => false);
    let outcome: string | undefined;
    const start = supervisor.start(named("web"), ready, never).then(([result]) => {
      outcome = result?.outcome;
    });
    await host.pass(5000);
    expect(outcome).toBeUndefined();
    prober.answer = () => true;
    await host.pass(1000);
    await start;
    expect(outcome).toBe("done");
  });

  it("says in the end of a wait what the check was told last", async () => {
    const { supervisor } = await withChecked(checked, () => false);
    const [result] = await supervisor.start(named("web"), { ...ready, timeoutMs: 20 }, never);
    expect(result?.error?.message).toBe("web#0 is running and not ready after 0.02 s: status 503: out of order; the work goes on");
    expect((await supervisor.start(named("web"), { level: "started" }, never))[0]?.outcome).toBe("done");
  });

  it("that fails too often in a row is ended as unhealthy and started again after the delay, which grows", async () => {
    const { host, prober, instance, events } = await withChecked();
    const first = host.newest;
    prober.answer = () => false;
    await host.pass(2100);
    expect([first.alive, host.launched.length, instance()?.ready]).toEqual([false, 1, false]);
    expect(instance()).toMatchObject({
      state: "backoff",
      health: { state: "none" },
      lastExit: { cause: "unhealthy", signal: "SIGTERM", message: "status 503: out of order" },
    });
    expect(
      events()
        .filter(({ type }) => type === "health_changed")
        .map(({ message }) => message),
    ).toEqual(["web#0 is healthy", "web#0 is unhealthy: status 503: out of order"]);
    expect(events().find(({ type }) => type === "run_ended")?.message).toBe("web#0 was unhealthy: status 503: out of order (was ended by SIGTERM)");
    prober.answer = () => true;
    await host.pass(1000);
    expect([host.launched.length, instance()?.ready, instance()?.restarts]).toEqual([2, true, 1]);
  });

  it("that never becomes healthy is ended when its start period is over, and its restarts are counted", async () => {
    const spec = { ...checked, restart: { ...checked.restart, maxRestarts: 1, delayMs: 1000 }, health: { ...tcp, startPeriodMs: 5000 } };
    const { host, instance } = await withChecked(spec, () => false);
    await host.pass(3000);
    expect(host.launched.length).toBe(1);
    await host.pass(30_000);
    expect(host.launched.length).toBe(2);
    expect(instance()).toMatchObject({ state: "failed", lastExit: { cause: "unhealthy" } });
  });

  it("that is stopped while it is unhealthy stays stopped", async () => {
    const { supervisor, host, prober, instance } = await withChecked();
    host.newest.onAsk = () => undefined;
    prober.answer = () => false;
    await host.pass(4000);
    expect(instance()?.state).toBe("stopping");
    const stop = supervisor.stop(named("web"), {}, ready, never);
    await host.pass(60_000);
    expect((await stop)[0]?.outcome).toBe("done");
    expect([host.launched.length, instance()?.state]).toEqual([1, "stopped"]);
  });

  it("is asked by one probe at a time, and one that hangs holds up no other instance, no stop and no restart", async () => {
    const spec = { ...checked, instances: 2, liveness: exec };
    const { supervisor, host, prober, services } = await withChecked(spec, (_, { order }) => (order.index === 0 ? undefined : true));
    await host.pass(60_000);
    const askedOf = (instance: string) => prober.asked.filter((asked) => asked.instance === instance).length;
    expect([askedOf("web#0"), prober.mostTogether]).toEqual([2, 1]);
    expect(askedOf("web#1")).toBeGreaterThan(100);
    expect(
      services
        .get("web")
        .view()
        .instances.map(({ ready }) => ready),
    ).toEqual([false, true]);
    const stop = supervisor.stop(named("web"), {}, ready, never);
    await host.pass(100);
    expect((await stop)[0]?.outcome).toBe("done");
    expect([...prober.underWay.values()]).toEqual([0, 0, 0, 0]);
  });

  it("is not asked when it does not run, and leaves no timer", async () => {
    const { supervisor, host, prober } = await withChecked();
    const stop = supervisor.stop(named("web"), {}, ready, never);
    await host.pass(100);
    await stop;
    const asked = prober.asked.length;
    await host.pass(60_000);
    expect([prober.asked.length, host.timers]).toEqual([asked, 0]);
  });
});

describe("what is done when it is unhealthy", () => {
  it("can be nothing: it is shown, and the instance recovers by itself", async () => {
    const { host, prober, instance } = await withChecked({ ...checked, onUnhealthy: "none" });
    prober.answer = () => false;
    await host.pass(10_000);
    expect([host.launched.length, instance()?.state, instance()?.health.state, instance()?.ready]).toEqual([1, "running", "unhealthy", false]);
    prober.answer = () => true;
    await host.pass(1000);
    expect([instance()?.health.state, instance()?.ready]).toEqual(["healthy", true]);
  });

  it("can be a signal, once each time", async () => {
    const { host, prober } = await withChecked({ ...checked, onUnhealthy: { signal: "SIGUSR1" } });
    prober.answer = () => false;
    await host.pass(10_000);
    expect(host.newest.sent).toEqual(["SIGUSR1 main"]);
  });
});

describe("with a liveness check beside", () => {
  const both = { ...checked, liveness: exec };

  it("what is not ready is not restarted", async () => {
    const { host, instance } = await withChecked(both, ({ type }) => type === "exec");
    await host.pass(120_000);
    expect([host.launched.length, instance()?.ready]).toEqual([1, false]);
    expect([instance()?.health.state, instance()?.liveness?.state]).toEqual(["unhealthy", "healthy"]);
  });

  it("what is ready and not alive is", async () => {
    const { host, prober, instance } = await withChecked(both);
    prober.answer = ({ type }) => type === "tcp";
    await host.pass(3000);
    expect(host.launched[0]?.alive).toBe(false);
    expect(instance()?.lastExit?.cause).toBe("unhealthy");
  });
});

describe("a run that was found by the next pmd", () => {
  it("is asked afresh: it keeps running, and is ready again when it passes", async () => {
    const before = await withChecked();
    const { order, startedAt } = before.host.newest;
    await before.host.pass(30_000);
    before.services.close();
    const { host, store, prober } = before;
    host.found = [{ order, startedAt }];
    prober.answer = () => false;
    const { services } = supervised(host, store, prober);
    await host.pass(30_000);
    const instance = () => services.get("web").view().instances[0];
    expect([host.alive.length, host.newest.id, instance()?.state, instance()?.ready]).toEqual([2, order.runId, "running", false]);
    expect(instance()?.health.state).toBe("starting");
    prober.answer = () => true;
    await host.pass(1000);
    expect(instance()?.ready).toBe(true);
    services.close();
  });

  it("has said the line that its check waits for, if it is older than its start period", async () => {
    const spec = { ...checked, health: { ...tcp, probe: { type: "log_line", contains: "ready" } as const } };
    const before = await withChecked(spec);
    const { order, startedAt } = before.host.newest;
    expect([before.instance()?.ready, before.prober.asked.length]).toEqual([true, 1]);
    await before.host.pass(120_000);
    expect(before.prober.asked.length).toBe(1);
    before.services.close();
    const { host, store, prober } = before;
    host.found = [{ order, startedAt }];
    prober.answer = () => false;
    const { services } = supervised(host, store, prober);
    await host.pass(1000);
    expect([services.isReady("default/web"), prober.asked.length]).toEqual([true, 1]);
    services.close();
  });
});

it("a new check holds for what runs, without a restart, and a check that is taken away is not made", async () => {
  const { supervisor, host, prober, instance } = await withChecked(checked, ({ type }) => type === "tcp");
  await supervisor.update("web", { ...checked, health: exec }, { leaveRunning: false }, accepted, never);
  await host.pass(2000);
  expect([instance()?.ready, instance()?.health.state, host.launched.length]).toEqual([false, "starting", 1]);
  const { health: _, ...unchecked } = checked;
  await supervisor.update("web", unchecked, { leaveRunning: false }, accepted, never);
  const asked = prober.asked.length;
  await host.pass(10_000);
  expect([instance()?.ready, instance()?.health.state, prober.asked.length]).toEqual([true, "none", asked]);
});

describe("an instance with a memory ceiling", () => {
  const limited = plainSpec({ restartAboveBytes: 2 * 1024 ** 2 });
  const usage = (runId: string, memoryBytes: number) => [{ instance: "default/web#0", runId, memoryBytes }];

  it("is restarted with that cause above it, and not at it", async () => {
    const { host, services, instance } = await withChecked(limited);
    services.seeMemory(usage(host.newest.id, 2 * 1024 ** 2));
    expect(host.newest.sent).toEqual([]);
    services.seeMemory(usage(host.newest.id, 3 * 1024 ** 2));
    await host.pass(100);
    expect(instance()?.lastExit).toMatchObject({ cause: "memory_limit", message: "its processes used 3.0 MiB, and restart_above is 2.0 MiB" });
    await host.pass(5000);
    expect([host.launched.length, instance()?.state]).toEqual([2, "running"]);
  });

  it("is not restarted for what its last run used", async () => {
    const { host, services } = await withChecked(limited);
    services.seeMemory(usage("another", 5 * 1024 ** 2));
    expect(host.newest.sent).toEqual([]);
  });
});
