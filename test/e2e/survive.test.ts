import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { State } from "../../gen/pm/v1/common_pb.ts";
import { DaemonService } from "../../gen/pm/v1/daemon_service_pb.ts";
import { EventService, EventType } from "../../gen/pm/v1/event_service_pb.ts";
import { ExitRecord_Cause as Cause } from "../../gen/pm/v1/process_pb.ts";
import { Condition_Type as Condition } from "../../gen/pm/v1/service_pb.ts";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { startDaemon } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { getService, isAlive, isRunning, named, pidOf, shell } from "../support/specs.ts";

describe.each(["auto", "off"])("with cgroups %s, after pmd was killed", (cgroups) => {
  const options = { args: ["--cgroups", cgroups] };

  it("the next one finds what runs, with the same pid, and does not start it again", async () => {
    await using daemon = await startDaemon(options);
    const client = daemon.client(SupervisorService);
    await client.createService({ name: "web", spec: shell(daemon, "exec sleep 1000", { instances: 3 }) });
    const before = (await getService(daemon, "web")).status?.instances.map(({ run }) => run?.pid);
    await daemon.kill9();
    await daemon.start();
    await eventually(() => isRunning(daemon, "web"));
    const status = (await getService(daemon, "web")).status;
    expect(status?.instances.map(({ run }) => run?.pid)).toEqual(before);
    expect(status?.conditions.map(({ type }) => type)).toEqual([Condition.ADOPTED]);
    expect((await daemon.client(DaemonService).getInfo({})).adopted).toBe(3);
  });

  it("an end that nobody saw is recorded once, with its code and its time, and the service is started again", async () => {
    await using daemon = await startDaemon(options);
    const client = daemon.client(SupervisorService);
    const line = "echo x >>lives; while [ ! -e go ]; do sleep 0.01; done; [ -e gone ] || { touch gone; exit 7; }; sleep 1000";
    await client.createService({ name: "web", spec: shell(daemon, line) });
    await daemon.kill9();
    writeFileSync(join(daemon.root, "go"), "");
    await eventually(() => existsSync(join(daemon.root, "gone")));
    await daemon.start();
    await eventually(async () => (await isRunning(daemon, "web")) && lines(join(daemon.root, "lives")) === 2);
    const { runs } = await client.getService({ name: "web", runHistory: 10 });
    expect(runs.map(({ exit }) => [exit?.cause, exit?.code])).toEqual([
      [undefined, undefined],
      [Cause.EXITED, 7],
    ]);
    await daemon.kill9();
    await daemon.start();
    const { events } = await daemon.client(EventService).listEvents({ filter: { types: [EventType.RUN_ENDED] } });
    expect(events.length).toBe(1);
  });

  it("a service that was killed by hand meanwhile is started again", async () => {
    await using daemon = await startDaemon(options);
    const client = daemon.client(SupervisorService);
    await client.createService({ name: "web", spec: shell(daemon, "exec sleep 1000") });
    const pid = await pidOf(daemon, "web");
    await daemon.kill9();
    process.kill(pid, "SIGKILL");
    await eventually(() => !isAlive(pid));
    await daemon.start();
    await eventually(() => isRunning(daemon, "web"));
    const { runs } = await client.getService({ name: "web", runHistory: 10 });
    expect(runs.at(-1)?.exit).toMatchObject({ cause: Cause.SIGNALLED, signal: "SIGKILL" });
  });

  it("a stop that was accepted is carried out, and what was stopped stays stopped", async () => {
    await using daemon = await startDaemon(options);
    const client = daemon.client(SupervisorService);
    await client.createService({ name: "slow", spec: shell(daemon, "trap '' TERM; while :; do sleep 0.1; done") });
    await client.createService({ name: "done", spec: shell(daemon, "exec sleep 1000") });
    await client.stopServices({ selector: named("done") });
    const pid = await pidOf(daemon, "slow");
    await client.stopServices({ selector: named("slow"), grace: { seconds: 60n }, wait: { level: 1 } });
    await daemon.kill9();
    await daemon.start();
    expect(isAlive(pid)).toBe(true);
    await client.stopServices({ selector: named("slow"), grace: { nanos: 1 } });
    expect(isAlive(pid)).toBe(false);
    expect((await getService(daemon, "done")).status?.state).toBe(State.STOPPED);
  });

  it("a run whose shim was killed lives on, and its end is lost, never a success", async () => {
    await using daemon = await startDaemon(options);
    const client = daemon.client(SupervisorService);
    await client.createService({ name: "web", spec: shell(daemon, "exec sleep 1000", { restart: { policy: 3 } }) });
    const pid = await pidOf(daemon, "web");
    const shim = parentOf(pid);
    process.kill(shim, "SIGKILL");
    await eventually(async () => (await getService(daemon, "web")).status?.conditions.some(({ type }) => type === Condition.SHIM_LOST));
    await daemon.kill9();
    await daemon.start();
    await eventually(() => isRunning(daemon, "web"));
    expect([isAlive(pid), await pidOf(daemon, "web")]).toEqual([true, pid]);
    process.kill(pid, "SIGKILL");
    await eventually(async () => (await getService(daemon, "web")).status?.state === State.FAILED);
    expect((await getService(daemon, "web")).status?.instances[0]?.lastExit).toMatchObject({ cause: Cause.LOST });
  });
});

describe("pmd", () => {
  it("that ends on TERM leaves services running, and takes them over when it starts again", async () => {
    await using daemon = await startDaemon();
    await daemon.client(SupervisorService).createService({ name: "web", spec: shell(daemon, "exec sleep 1000") });
    const pid = await pidOf(daemon, "web");
    await daemon.restart();
    await eventually(() => isRunning(daemon, "web"));
    expect(await pidOf(daemon, "web")).toBe(pid);
  });

  it("that is told to stop services first leaves none, and starts them when it starts again", async () => {
    await using daemon = await startDaemon();
    await daemon.client(SupervisorService).createService({ name: "web", spec: shell(daemon, "exec sleep 1000") });
    const pid = await pidOf(daemon, "web");
    const pmd = daemon.pid;
    await daemon.client(DaemonService).shutdown({ stopServices: true });
    expect(isAlive(pid)).toBe(false);
    await eventually(() => !isAlive(pmd));
    await daemon.start();
    await eventually(() => isRunning(daemon, "web"));
  });

  it("finds run directories of another boot, with pids that may be anybody's, and touches nobody", async () => {
    await using daemon = await startDaemon({ args: ["--cgroups", "off"] });
    const client = daemon.client(SupervisorService);
    await client.createService({ name: "web", spec: shell(daemon, "exec sleep 1000") });
    const service = await getService(daemon, "web");
    const run = service.status?.instances[0]?.run;
    await daemon.kill9();
    const path = join(daemon.runtimeDir, "runs", run?.id ?? "", "spec.json");
    const spec = JSON.parse(readFileSync(path, "utf8"));
    writeFileSync(path, JSON.stringify({ ...spec, bootId: "another" }));
    await daemon.start();
    await eventually(async () => (await isRunning(daemon, "web")) && (await pidOf(daemon, "web")) !== run?.pid);
    expect(isAlive(run?.pid ?? 0)).toBe(true);
    const { runs } = await client.getService({ name: "web", runHistory: 10 });
    expect(runs.at(-1)?.exit).toMatchObject({ cause: Cause.LOST });
    for (const pid of [parentOf(run?.pid ?? 0), run?.pid ?? 0]) process.kill(pid, "SIGKILL");
  });
});

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]);
}

function lines(path: string): number {
  return readFileSync(path, "utf8").trim().split("\n").length;
}
