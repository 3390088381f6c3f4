import { describe, expect, it } from "vitest";
import { FakeHost, settled } from "../../support/fake-host.ts";
import { MemoryStore } from "../../support/memory-store.ts";
import { accepted, named, never, plainSpec, ready, supervised, web, withWeb } from "../../support/supervised.ts";

describe("create", () => {
  it("starts the service and answers when it has been alive for the settle time", async () => {
    const { supervisor, host } = supervised();
    const created = supervisor.create(web, ready, never);
    await host.pass(999);
    expect(supervisor.services.get("web").view().state).toBe("starting");
    await host.pass(1);
    expect(await created).toMatchObject({ service: { state: "running", instancesReady: 1 }, results: [{ outcome: "done", pids: [100] }] });
  });

  it("answers with the exit and the last lines when the program ends before it is ready", async () => {
    const { supervisor, host } = supervised();
    host.onLaunch = (run) => {
      run.spawn();
      run.end({ status: 3 });
    };
    const { results } = await supervisor.create(web, ready, never);
    expect(results[0]?.error).toMatchObject({
      reason: "EXITED_EARLY",
      message: "web#0 exited with code 3 before it was ready",
      lastLines: ["its last words"],
    });
  });

  it("refuses what could not be started, and stores nothing", async () => {
    const { supervisor, host, store } = supervised();
    host.obstacle = "/no/such: no such file (exit 127)";
    await expect(supervisor.create(web, ready, never)).rejects.toMatchObject({
      reason: "SPAWN_FAILED",
      message: "cannot start web: /no/such: no such file (exit 127)",
    });
    expect(store.listServices()).toEqual([]);
  });

  it("refuses a name that is taken and a file that another service writes", async () => {
    const { supervisor } = await withWeb(
      plainSpec({ process: { ...plainSpec().process, logs: { ...plainSpec().process.logs, stdout: "/x/out.log" } } }),
    );
    await expect(supervisor.create(web, ready, never)).rejects.toMatchObject({ reason: "ALREADY_EXISTS" });
    const rival = plainSpec({ process: { ...plainSpec().process, logs: { ...plainSpec().process.logs, stderr: "/x/out.log" } } });
    await expect(supervisor.create({ ...web, name: "rival", spec: rival }, ready, never)).rejects.toMatchObject({ reason: "PATH_IN_USE" });
  });

  it("leaves a service without autostart stopped", async () => {
    const { supervisor, host } = supervised();
    const { results, service } = await supervisor.create({ ...web, spec: plainSpec({ autostart: false }) }, ready, never);
    expect([results, service.state, host.launched.length]).toEqual([[], "stopped", 0]);
  });
});

describe("stop", () => {
  it("stores the intent before it asks the process", async () => {
    const { supervisor, host, store } = await withWeb();
    host.newest.onAsk = () => {
      expect(store.listServices()[0]?.overrides.desired).toBe("stopped");
      host.newest.end({ status: 143 });
    };
    expect(await supervisor.stop(named("web"), {}, ready, never)).toMatchObject([
      { name: "default/web", outcome: "done", state: "stopped", pids: [] },
    ]);
  });

  it("asks, waits for the grace period, kills, and says so when something survives that", async () => {
    const { supervisor, host } = await withWeb();
    host.newest.onAsk = () => undefined;
    host.newest.onKill = () => undefined;
    const stopped = supervisor.stop(named("web"), {}, ready, never);
    await host.pass(9999);
    expect(host.newest.sent).toEqual(["ask"]);
    await host.pass(1);
    expect(host.newest.sent).toEqual(["ask", "kill"]);
    await host.pass(5000);
    expect((await stopped)[0]).toMatchObject({ outcome: "failed", state: "stopping", error: { reason: "SURVIVORS", metadata: { pids: "100" } } });
    expect(supervisor.services.get("web").view().conditions).toMatchObject([{ type: "survivors" }]);
    host.newest.end();
    expect(supervisor.services.get("web").view().state).toBe("stopped");
  });

  it("of what is stopped changes nothing", async () => {
    const { supervisor } = await withWeb();
    await supervisor.stop(named("web"), {}, ready, never);
    expect(await supervisor.stop(named("web"), {}, ready, never)).toMatchObject([{ outcome: "unchanged", state: "stopped" }]);
  });

  it("during backoff cancels the restart, also after pmd was started again", async () => {
    const { supervisor, host, store } = await withWeb();
    host.newest.end({ status: 1 });
    expect(supervisor.services.get("web").view().state).toBe("backoff");
    await supervisor.stop(named("web"), {}, ready, never);
    await host.pass(120_000);
    expect([supervisor.services.get("web").view().state, host.launched.length]).toEqual(["stopped", 1]);
    const again = supervised(new FakeHost(), store);
    await again.host.pass(120_000);
    expect([again.supervisor.services.get("web").view().state, again.host.launched.length]).toEqual(["stopped", 0]);
  });

  it("during the start ends the start, whose caller hears of it", async () => {
    const { supervisor, host } = supervised();
    const created = supervisor.create(web, ready, never);
    await settled();
    await supervisor.stop(named("web"), {}, ready, never);
    expect((await created).results[0]?.error).toMatchObject({ reason: "SUPERSEDED" });
    await host.pass(120_000);
    expect(host.launched.length).toBe(1);
  });

  it("is refused by a store that cannot remember it, and the service runs on", async () => {
    const { supervisor, store, host } = await withWeb();
    store.failure = new Error("disk full");
    await expect(supervisor.stop(named("web"), {}, ready, never)).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
    expect(host.newest.sent).toEqual([]);
  });

  it("of one instance leaves the others running, and holds after pmd was started again", async () => {
    const { supervisor, store } = await withWeb(plainSpec({ instances: 3 }));
    await supervisor.stop(named("web#1"), {}, ready, never);
    expect(
      supervisor.services
        .get("web")
        .view()
        .instances.map(({ state }) => state),
    ).toEqual(["running", "stopped", "running"]);
    const again = supervised(new FakeHost(), store);
    await again.host.pass(2000);
    expect(
      again.supervisor.services
        .get("web")
        .view()
        .instances.map(({ state }) => state),
    ).toEqual(["running", "stopped", "running"]);
  });
});

describe("start", () => {
  it("of what runs changes nothing", async () => {
    const { supervisor, host } = await withWeb();
    expect(await supervisor.start(named("web"), ready, never)).toMatchObject([{ outcome: "unchanged", pids: [100] }]);
    expect(host.launched.length).toBe(1);
  });

  it("while it stops starts it again when nothing of it is left, and never before", async () => {
    const { supervisor, host } = await withWeb();
    host.newest.onAsk = () => undefined;
    const stopped = supervisor.stop(named("web"), {}, ready, never);
    await settled();
    const started = supervisor.start(named("web"), ready, never);
    await settled();
    expect(host.alive.length).toBe(1);
    expect((await stopped)[0]?.error?.reason).toBe("SUPERSEDED");
    host.newest.end();
    await host.pass(1000);
    expect([(await started)[0]?.outcome, host.alive.length, host.launched.length]).toEqual(["done", 1, 2]);
  });

  it("re-arms what had given up", async () => {
    const { supervisor, host } = await withWeb(plainSpec({ restart: { ...plainSpec().restart, maxRestarts: 0 } }));
    host.newest.end({ status: 1 });
    expect(supervisor.services.get("web").view().state).toBe("failed");
    const started = supervisor.start(named("web"), ready, never);
    await host.pass(1000);
    expect((await started)[0]?.outcome).toBe("done");
  });
});

describe("restart", () => {
  it("waits for a run that is not the old one", async () => {
    const { supervisor, host } = await withWeb();
    const restarted = supervisor.restart(named("web"), "", ready, never);
    await host.pass(1000);
    expect(await restarted).toMatchObject([{ outcome: "done", pids: [101] }]);
    expect(supervisor.services.runs("web", 10).map(({ end }) => end?.cause)).toEqual([undefined, "replaced"]);
  });

  it("with the same request id is the same call", async () => {
    const { supervisor, host } = await withWeb();
    const calls = [1, 2, 3].map(() => supervisor.restart(named("web"), "once", ready, never));
    await host.pass(1000);
    await Promise.all(calls);
    expect(host.launched.length).toBe(2);
  });
});

describe("ten verbs at once on one service", () => {
  it.each(["start", "stop"] as const)("leave at most one process, and the last intent (%s) wins", async (last) => {
    const { supervisor, host } = await withWeb();
    const most = { alive: 0 };
    host.onLaunch = (run) => {
      most.alive = Math.max(most.alive, host.alive.length);
      run.spawn();
    };
    const calls = Array.from({ length: 10 }, (_, at) => {
      if (at === 9) return last === "start" ? supervisor.start(named("web"), ready, never) : supervisor.stop(named("web"), {}, ready, never);
      if (at % 3 === 0) return supervisor.stop(named("web"), {}, ready, never);
      return at % 3 === 1 ? supervisor.restart(named("web"), "", ready, never) : supervisor.start(named("web"), ready, never);
    });
    await host.pass(3000);
    await Promise.all(calls);
    expect(most.alive).toBeLessThanOrEqual(1);
    expect(host.alive.length).toBe(last === "start" ? 1 : 0);
    expect(supervisor.services.get("web").view().state).toBe(last === "start" ? "running" : "stopped");
  });
});

describe("scale", () => {
  it("adds instances and takes them away, and remembers the number", async () => {
    const { supervisor, host, store } = await withWeb();
    const up = supervisor.scale("web", 4, ready, never);
    await host.pass(1000);
    expect((await up).service).toMatchObject({ instancesDesired: 4, instancesReady: 4, overrides: { instances: 4 } });
    const down = await supervisor.scale("web", 2, ready, never);
    expect(down.service.instances.map(({ name }) => name)).toEqual(["default/web#0", "default/web#1"]);
    expect(host.alive.length).toBe(2);
    expect(supervised(new FakeHost(), store).supervisor.services.get("web").view().instancesDesired).toBe(2);
    expect((await supervisor.scale("web", undefined, ready, never)).service.instancesDesired).toBe(1);
  });
});

describe("update", () => {
  it("restarts what runs something else now, and only that", async () => {
    const { supervisor, host } = await withWeb();
    await supervisor.update("web", plainSpec({ description: "words" }), { leaveRunning: false }, ready, never);
    expect([host.launched.length, supervisor.services.get("web").view().generation]).toEqual([1, 2]);
    const process = { ...plainSpec().process, command: { argv: ["other"], shell: "", args: [] } };
    const updated = supervisor.update("web", plainSpec({ process }), { leaveRunning: false }, ready, never);
    await host.pass(1000);
    expect((await updated).results).toMatchObject([{ outcome: "done" }]);
    expect(host.newest.order.definition.spec.process.command.argv).toEqual(["other"]);
  });

  it("that is to leave it running calls it stale until it is restarted", async () => {
    const { supervisor, host } = await withWeb();
    const process = { ...plainSpec().process, workingDirectory: "/tmp" };
    await supervisor.update("web", plainSpec({ process }), { leaveRunning: true }, ready, never);
    expect([host.launched.length, supervisor.services.get("web").view().conditions[0]?.type]).toEqual([1, "config_stale"]);
    const restarted = supervisor.restart(named("web"), "", ready, never);
    await host.pass(1000);
    await restarted;
    expect(supervisor.services.get("web").view().conditions).toEqual([]);
  });

  it("of an older generation is refused", async () => {
    const { supervisor } = await withWeb();
    const stale = supervisor.update("web", plainSpec(), { leaveRunning: false, expectedGeneration: 7 }, ready, never);
    await expect(stale).rejects.toMatchObject({ reason: "GENERATION_MISMATCH" });
  });
});

describe("delete", () => {
  it("forgets a service only when nothing of it is left", async () => {
    const { supervisor, host, store } = await withWeb();
    host.newest.onAsk = () => undefined;
    host.newest.onKill = () => undefined;
    const failed = supervisor.delete(named("web"), { validateOnly: false }, ready, never);
    await host.pass(15_000);
    expect((await failed)[0]?.error?.reason).toBe("SURVIVORS");
    expect(store.listServices().length).toBe(1);
    host.newest.end();
    expect(await supervisor.delete(named("web"), { validateOnly: false }, ready, never)).toMatchObject([{ outcome: "done" }]);
    expect([store.listServices(), supervisor.services.list()]).toEqual([[], []]);
  });

  it("that is only to be validated says which it would be", async () => {
    const { supervisor } = await withWeb();
    expect(await supervisor.delete(named("w*"), { validateOnly: true }, ready, never)).toMatchObject([{ name: "default/web", outcome: "accepted" }]);
    expect(supervisor.services.list().length).toBe(1);
  });
});

describe("reload and signal", () => {
  it("reload uses the method of the spec, and is refused without one", async () => {
    const { supervisor } = await withWeb();
    expect((await supervisor.reload(named("web")))[0]?.error?.reason).toBe("NO_RELOAD_METHOD");
    const hup = await withWeb(plainSpec({ reload: { signal: "SIGHUP" } }));
    await hup.supervisor.reload(named("web"));
    expect(hup.host.newest.sent).toEqual(["SIGHUP main"]);
    const command = { argv: ["reload-it"], shell: "", args: [] };
    const helped = await withWeb(plainSpec({ reload: { command } }));
    expect(await helped.supervisor.reload(named("web"))).toMatchObject([{ outcome: "done" }]);
    expect(helped.host.newest.sent).toEqual(["helper reload-it"]);
  });

  it("a signal to what does not run says its state", async () => {
    const { supervisor, host } = await withWeb();
    await supervisor.signal(named("web"), "SIGUSR1", "group");
    expect(host.newest.sent).toEqual(["SIGUSR1 group"]);
    await supervisor.stop(named("web"), {}, ready, never);
    expect((await supervisor.signal(named("web"), "SIGUSR1", "main"))[0]?.error).toMatchObject({
      reason: "WRONG_STATE",
      metadata: { state: "stopped" },
    });
  });
});

describe("a mass start", () => {
  it("makes at most sixteen processes at once, and all in the end", async () => {
    const host = new FakeHost();
    const launched: (() => void)[] = [];
    host.onLaunch = (run) => launched.push(() => run.spawn());
    const { supervisor } = supervised(host, new MemoryStore());
    await supervisor.create({ ...web, spec: plainSpec({ instances: 40 }) }, accepted, never);
    await settled();
    expect(launched.length).toBe(16);
    expect(
      supervisor.services
        .get("web")
        .view()
        .instances.filter(({ state }) => state === "waiting").length,
    ).toBe(24);
    for (let at = 0; at < 40; at++) {
      launched[at]?.();
      await settled();
    }
    await host.pass(1000);
    expect(supervisor.services.get("web").view().instancesReady).toBe(40);
  });

  it("that waits for its turn can be stopped", async () => {
    const host = new FakeHost();
    host.onLaunch = () => undefined;
    const { supervisor } = supervised(host);
    await supervisor.create({ ...web, spec: plainSpec({ instances: 20 }) }, accepted, never);
    await supervisor.stop(named("web"), {}, accepted, never);
    await host.pass(10_000);
    expect(host.launched.length).toBe(16);
    for (const run of host.launched) run.end();
    await host.pass(10_000);
    expect([supervisor.services.get("web").view().state, host.launched.length]).toEqual(["stopped", 16]);
  });
});
