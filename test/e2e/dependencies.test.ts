import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Wait_Level as Level, State } from "../../gen/pm/v1/common_pb.ts";
import { EventService, EventType } from "../../gen/pm/v1/event_service_pb.ts";
import { ExitRecord_Cause as Cause } from "../../gen/pm/v1/process_pb.ts";
import { Dependency_Condition as Condition, RestartPolicy_Mode as Mode } from "../../gen/pm/v1/service_pb.ts";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { pmdCommand, startDaemon, type TestDaemon } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { runProgram } from "../support/run-program.ts";
import { getService, isAlive, isRunning, named, pidOf, shell } from "../support/specs.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const sleeper = "exec sleep 1000";

/** web → api → db, made in this order and running. */
async function startChain(daemon: TestDaemon): Promise<void> {
  const client = daemon.client(SupervisorService);
  await client.createService({ name: "db", spec: shell(daemon, sleeper) });
  await client.createService({ name: "api", spec: shell(daemon, sleeper, { dependsOn: { db: {} } }) });
  await client.createService({ name: "web", spec: shell(daemon, sleeper, { dependsOn: { api: {} } }) });
}

async function stateOf(daemon: TestDaemon, name: string): Promise<State | undefined> {
  return (await getService(daemon, name)).status?.state;
}

/** In one look. */
async function isRunningAnew(daemon: TestDaemon, name: string, oldPid: number): Promise<boolean> {
  const [instance] = (await getService(daemon, name)).status?.instances ?? [];
  return instance?.state === State.RUNNING && instance.run?.pid !== oldPid;
}

async function reasonOf(daemon: TestDaemon, name: string): Promise<string | undefined> {
  return (await getService(daemon, name)).status?.instances[0]?.stateReason;
}

function lines(path: string): string[] {
  return readFileSync(path, "utf8").trim().split("\n");
}

/** What happened to whom, in order, since the events of before. */
async function story(daemon: TestDaemon, before = 0): Promise<string[]> {
  const { events } = await daemon.client(EventService).listEvents({ filter: { types: [EventType.RUN_STARTED, EventType.RUN_ENDED] } });
  return events
    .slice(before)
    .map(({ subject, type }) => `${subject.slice("default/".length, -2)} ${type === EventType.RUN_STARTED ? "starts" : "ends"}`);
}

describe("dependencies", () => {
  it("that are slow are there before what needs them starts, 20 times of 20", { timeout: 180_000 }, async () => {
    await using daemon = await startDaemon();
    const client = daemon.client(SupervisorService);
    const made = join(daemon.root, "made");
    const seen = join(daemon.root, "seen");
    const seenByWeb = join(daemon.root, "seen-by-web");
    // Each notes whether what it needs has got as far as it has to be; sooner than that the files are not there.
    const migrate = "sleep 0.1; touch made";
    const api = `if [ -e made ]; then echo yes; else echo no; fi >>seen; ${sleeper}`;
    await client.createService({ name: "migrate", spec: shell(daemon, migrate, { autostart: false, restart: { policy: Mode.NEVER } }) });
    const dependsOn = { migrate: { condition: Condition.COMPLETED_OK } };
    await client.createService({ name: "api", spec: shell(daemon, api, { autostart: false, dependsOn }) });
    const web = `if [ -e made ]; then echo yes; else echo no; fi >>seen-by-web; ${sleeper}`;
    await client.createService({ name: "web", spec: shell(daemon, web, { autostart: false, dependsOn: { api: {} } }) });
    for (let round = 0; round < 20; round++) {
      rmSync(made, { force: true });
      const { results } = await client.startServices({ selector: named("web", "api", "migrate") });
      expect(results.map(({ problem }) => problem?.message)).toEqual([undefined, undefined, undefined]);
      // What runs may not have come to its first word yet.
      await eventually(() => [seen, seenByWeb].every((file) => existsSync(file) && lines(file).length === round + 1));
      await client.stopServices({ selector: named("web", "api", "migrate") });
    }
    for (const file of [seen, seenByWeb]) expect(lines(file)).toEqual(Array(20).fill("yes"));
    const order = ["migrate starts", "migrate ends", "api starts", "web starts", "web ends", "api ends"];
    expect(await story(daemon)).toEqual(Array(20).fill(order).flat());
  });

  it("that crash take along those that cannot do without them, in reverse order, and these come back by themselves", async () => {
    await using daemon = await startDaemon();
    await startChain(daemon);
    const before = (await story(daemon)).length;
    const web = await pidOf(daemon, "web");
    await daemon.client(SupervisorService).signalServices({ selector: named("db"), signal: "KILL" });
    await eventually(() => isRunningAnew(daemon, "web", web));
    const told = await story(daemon, before);
    expect(told.filter((what) => !what.startsWith("db"))).toEqual(["web ends", "api ends", "api starts", "web starts"]);
    expect(told.indexOf("db starts")).toBeLessThan(told.indexOf("api starts"));
    for (const name of ["api", "web"]) {
      const [instance] = (await getService(daemon, name)).status?.instances ?? [];
      expect(instance).toMatchObject({ restarts: 0n, lastExit: { cause: Cause.DEPENDENCY }, stateReason: "" });
    }
  });

  it("that are stopped are stopped last, and what waits for them comes back with them", async () => {
    await using daemon = await startDaemon();
    await startChain(daemon);
    const before = (await story(daemon)).length;
    expect(await daemon.pmctl(["stop", "db"])).toMatchObject({ code: 0 });
    expect(await story(daemon, before)).toEqual(["web ends", "api ends", "db ends"]);
    expect([await stateOf(daemon, "api"), await reasonOf(daemon, "web")]).toEqual([
      State.WAITING,
      "waits for api, which waits for db: it is stopped",
    ]);
    const { stdout } = await daemon.pmctl(["why", "web"]);
    expect(stdout.split("\n")[0]).toBe("web waits for api, which waits for db: it is stopped");
    expect(stdout).toContain("db is stopped: somebody has stopped it");
    expect(await daemon.pmctl(["start", "web"])).toMatchObject({ code: 0 });
    expect([await isRunning(daemon, "db"), await isRunning(daemon, "api"), await isRunning(daemon, "web")]).toEqual([true, true, true]);
  });

  it("that fail make the start of what needs them fail, with a name and an exit code, while the rest goes on", async () => {
    await using daemon = await startDaemon();
    const client = daemon.client(SupervisorService);
    const start = { settle: { seconds: 5n } };
    const broken = shell(daemon, "echo no disk >&2; exit 3", { autostart: false, restart: { policy: Mode.NEVER }, start });
    await client.createService({ name: "db", spec: broken });
    await client.createService({ name: "api", spec: shell(daemon, sleeper, { autostart: false, dependsOn: { db: {} } }) });
    await client.createService({ name: "other", spec: shell(daemon, sleeper, { autostart: false }) });
    const { code, stdout, stderr } = await daemon.pmctl(["start", "api", "other"]);
    expect([code, stdout]).toEqual([1, expect.stringMatching(/^other\s+running/)]);
    expect(stderr).toContain("cannot start api#0: it waits for db: it has failed");
    const { stdout: why } = await daemon.pmctl(["why", "api"]);
    expect(why).toContain("db has failed");
    expect(why).toContain("exited with code 3");
    await eventually(async () => (await daemon.pmctl(["why", "api"])).stdout.includes("    no disk\n"));
    await client.updateService({ name: "db", spec: shell(daemon, sleeper) });
    await client.startServices({ selector: named("db") });
    await eventually(() => isRunning(daemon, "api"));
  });

  it("and those that need them survive pmd's death as they are, and what waits goes on waiting", async () => {
    await using daemon = await startDaemon();
    const client = daemon.client(SupervisorService);
    await startChain(daemon);
    const gate = join(daemon.root, "gate");
    const job = shell(daemon, "while [ ! -e gate ]; do sleep 0.01; done", { restart: { policy: Mode.NEVER } });
    await client.createService({ name: "job", spec: job });
    await client.createService({
      name: "late",
      spec: shell(daemon, sleeper, { dependsOn: { job: { condition: Condition.COMPLETED_OK } } }),
      wait: { level: Level.ACCEPTED },
    });
    const before = await Promise.all(["db", "api", "web", "job"].map((name) => pidOf(daemon, name)));
    for (let round = 0; round < 3; round++) {
      await daemon.kill9();
      await daemon.start();
      expect(await stateOf(daemon, "late")).toBe(State.WAITING);
      for (const name of ["db", "api", "web", "job"]) await eventually(() => isRunning(daemon, name));
    }
    expect(await Promise.all(["db", "api", "web", "job"].map((name) => pidOf(daemon, name)))).toEqual(before);
    expect([await stateOf(daemon, "late"), await reasonOf(daemon, "late")]).toEqual([State.WAITING, "waits for job: it has not completed"]);
    writeFileSync(gate, "");
    await eventually(() => isRunning(daemon, "late"));
  });

  it("that end while no pmd is there are missed by the next one, which stops what cannot do without them", async () => {
    await using daemon = await startDaemon();
    await startChain(daemon);
    const [db, api] = [await pidOf(daemon, "db"), await pidOf(daemon, "api")];
    await daemon.kill9();
    expect(db).toBeGreaterThan(1);
    process.kill(db, "SIGKILL");
    await eventually(() => !isAlive(db));
    await daemon.start();
    await eventually(() => isRunningAnew(daemon, "api", api));
    expect((await getService(daemon, "api")).status?.instances[0]).toMatchObject({ lastExit: { cause: Cause.DEPENDENCY } });
  });

  it("of a file may be short, and what goes round keeps pmd from starting, with the place", async () => {
    await using dir = makeTempDir();
    const config = join(dir.path, "pm.yaml");
    const api = `api: {command: ${sleeper}, start: {settle: 10ms}, depends_on: [db]}`;
    writeFileSync(config, `version: 1\nservices:\n  db: {command: ${sleeper}, depends_on: {api: started}}\n  ${api}\n`);
    const refused = await runProgram([...pmdCommand, "--config", config, "--state-dir", dir.path, "--runtime-dir", join(dir.path, "run")]);
    expect(refused).toMatchObject({ code: expect.any(Number), stderr: expect.stringContaining("goes round: db → api → db") });
    expect([refused.code === 0, existsSync(join(dir.path, "run"))]).toEqual([false, false]);

    writeFileSync(config, `version: 1\nservices:\n  db: {command: ${sleeper}, start: {settle: 10ms}}\n  ${api}\n`);
    await using daemon = await startDaemon({ args: ["--config", config] });
    await eventually(() => isRunning(daemon, "api"));
    expect(await story(daemon)).toEqual(["db starts", "api starts"]);
  });
});
