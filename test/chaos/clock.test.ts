import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, it } from "vitest";
import { State } from "../../gen/pm/v1/common_pb.ts";
import { EventService, EventType } from "../../gen/pm/v1/event_service_pb.ts";
import { LogService, LogStream } from "../../gen/pm/v1/log_service_pb.ts";
import { MetricsService } from "../../gen/pm/v1/metrics_service_pb.ts";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { pumpStatus } from "../../src/logs/pump-client.ts";
import { countByRun } from "../support/count-by-run.ts";
import { TestDaemon } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { History, witnesses } from "../support/history.ts";
import { pumpProgram } from "../support/pump-rig.ts";
import { getService, isRunning, named, pidOf, shell } from "../support/specs.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const hour = { seconds: 3600n };
/** The clock goes forward, back behind where it began, far ahead, and home; not so far that what is kept for a week is too old. */
const offsets = ["+5h", "-9h", "+5d", "+0"];

it("the clock is set forward and back: nobody dies of it, what waits waits as long as it was to, and each line and each end is there once", async () => {
  await using place = makeTempDir();
  const clock = new FakeClock(place.path);
  await using daemon = await startDaemonBy(clock);
  const client = daemon.client(SupervisorService);
  const history = new History(daemon);
  await client.createService({ name: "steady", spec: shell(daemon, slowlyCounting) });
  const restart = { delay: { nanos: 50_000_000 }, maxDelay: { nanos: 100_000_000 } };
  await client.createService({ name: "mortal", spec: shell(daemon, witnesses.mortal, { restart }), wait: { level: 1 } });
  const once = shell(daemon, witnesses.mortal.replace("$(( $$ % 100 ))", "3"), { restart: { delay: hour, maxDelay: hour } });
  await client.createService({ name: "patient", spec: once, wait: { level: 1 } });
  const settling = shell(daemon, witnesses.lasting, { start: { settle: hour, timeout: { seconds: 7200n } } });
  await client.createService({ name: "settling", spec: settling, wait: { level: 1 } });
  await eventually(async () => (await stateOf(daemon, "patient")) === State.BACKOFF);
  const pids = [await pidOf(daemon, "steady"), await pidOf(daemon, "settling")];
  const patientLives = history.lives("patient");
  using follower = new Follower(daemon);

  for (const [i, offset] of offsets.entries()) {
    const stubborn = `stubborn${i}`;
    const spec = shell(daemon, witnesses.stubborn, { process: { stop: { grace: { seconds: 1n } } } });
    await client.createService({ name: stubborn, spec });
    const stopping = client.stopServices({ selector: named(stubborn) });
    await eventually(async () => (await stateOf(daemon, stubborn)) === State.STOPPING);
    clock.set(offset);

    expect((await stopping).results[0]?.problem).toBeUndefined();
    const before = history.lives("mortal");
    await eventually(() => history.lives("mortal") > before + 3);
    // One that appears only now is followed too.
    const late = `late${i}`;
    await client.createService({ name: late, spec: shell(daemon, `echo ${late}; exec sleep 1000`) });
    await eventually(() => follower.hasSeen(late));
    const seen = follower.countOf("steady");
    await eventually(() => follower.countOf("steady") > seen + 3);
    const newest = await daemon.pmctl(["logs", "steady", "--stdout", "--since", "5s", "--raw"], { env: clock.env });
    expect(newest.stdout).not.toBe("");
    const ofRun = await daemon.pmctl(["logs", "steady", "--stdout", "--run", "0", "--raw"], { env: clock.env });
    expect(ofRun.stdout).toMatch(/^\S+ 1\n/);
  }

  expect([await pidOf(daemon, "steady"), await pidOf(daemon, "settling")]).toEqual(pids);
  expect([await stateOf(daemon, "patient"), await stateOf(daemon, "settling")]).toEqual([State.BACKOFF, State.STARTING]);
  expect(history.lives("patient")).toBe(patientLives);
  expect((await uptimesOf(daemon)).filter((seconds) => !isOfThisTest(seconds))).toEqual([]);
  expect((await endedUptimesOf(daemon)).filter((seconds) => !isOfThisTest(seconds))).toEqual([]);
  follower.end();
  await client.stopServices({ selector: { all: true } });
  await judge(daemon, history);
  expect(follower.violations("steady")).toEqual([]);
});

it("the clock is set while pmd is away: services are taken over, are running at once, and each end is recorded once", async () => {
  await using place = makeTempDir();
  const clock = new FakeClock(place.path);
  await using daemon = await startDaemonBy(clock);
  const client = daemon.client(SupervisorService);
  const history = new History(daemon);
  await client.createService({ name: "steady", spec: shell(daemon, slowlyCounting) });
  const restart = { delay: { nanos: 50_000_000 }, maxDelay: { nanos: 100_000_000 } };
  await client.createService({ name: "mortal", spec: shell(daemon, witnesses.mortal, { restart }), wait: { level: 1 } });
  const settling = shell(daemon, witnesses.lasting, { start: { settle: hour, timeout: { seconds: 7200n } } });
  await client.createService({ name: "settling", spec: settling, wait: { level: 1 } });
  const pid = await pidOf(daemon, "steady");
  for (const offset of offsets) {
    await daemon.kill9();
    clock.set(offset);
    await daemon.start();
    await eventually(() => isRunning(daemon, "steady"));
    const before = history.lives("mortal");
    await eventually(() => history.lives("mortal") > before + 3);
    expect(await stateOf(daemon, "settling")).toBe(State.STARTING);
  }
  expect(await pidOf(daemon, "steady")).toBe(pid);
  expect((await uptimesOf(daemon)).filter((seconds) => !isOfThisTest(seconds))).toEqual([]);
  // Of what ended while nobody looked there is only the time of a file.
  expect((await endedUptimesOf(daemon)).filter((seconds) => seconds < 0)).toEqual([]);
  await client.stopServices({ selector: { all: true } });
  await judge(daemon, history);
});

/** As fast as the clock is set, and no faster: each line is read by itself. */
const slowlyCounting = witnesses.counting.replace("i % 100", "i % 2");

/** pmd gives its pump nothing of its environment: so the pump is there before, with the clock of all others. */
async function startDaemonBy(clock: FakeClock): Promise<TestDaemon> {
  const daemon = new TestDaemon({ env: clock.env });
  mkdirSync(join(daemon.runtimeDir, "runs"), { recursive: true });
  mkdirSync(join(daemon.runtimeDir, "spare"));
  const built = process.env.PM_TEST_PROGRAMS;
  const program = built ? resolve(built, "lib/pm-pump.js") : pumpProgram;
  spawn(process.execPath, [program, "--runtime-dir", daemon.runtimeDir], { env: clock.env, detached: true, stdio: "ignore" });
  await eventually(() => pumpStatus(daemon.runtimeDir));
  await daemon.start();
  return daemon;
}

async function stateOf(daemon: TestDaemon, name: string): Promise<State | undefined> {
  return (await getService(daemon, name)).status?.instances[0]?.state;
}

/** Of what runs, in seconds. */
async function uptimesOf(daemon: TestDaemon): Promise<number[]> {
  const { instances } = await daemon.client(MetricsService).getMetrics({});
  expect(instances.length).toBeGreaterThan(0);
  return instances.map(({ usage }) => Number(usage?.uptime?.seconds ?? 0n));
}

async function endedUptimesOf(daemon: TestDaemon): Promise<number[]> {
  const { events } = await daemon.client(EventService).listEvents({ filter: { types: [EventType.RUN_ENDED] }, maxEvents: 10_000 });
  expect(events.length).toBeGreaterThan(0);
  return events.map(({ exit }) => Number(exit?.uptime?.seconds ?? 0n));
}

/** No step of the clock is as small. */
function isOfThisTest(seconds: number): boolean {
  return seconds >= 0 && seconds < 3600;
}

async function judge(daemon: TestDaemon, history: History): Promise<void> {
  for (const stream of ["stdout", "stderr"] as const) {
    const path = join(daemon.logDir, "steady", stream === "stdout" ? "out.log" : "err.log");
    const { shortest: _, lines, ...output } = await countByRun({ instance: "default/steady#0", stream, path }, new Map());
    expect(lines, path).toBeGreaterThan(10);
    history.add({ type: "output", path, excused: 0, ...output });
  }
  expect(await history.violations()).toEqual([]);
}

/** Reads everything that every service writes to stdout, as it comes. */
class Follower implements Disposable {
  readonly #lines = new Map<string, string[]>();
  readonly #enough = new AbortController();

  constructor(daemon: TestDaemon) {
    void this.#read(daemon);
  }

  hasSeen(service: string): boolean {
    return this.countOf(service) > 0;
  }

  countOf(service: string): number {
    return this.#lines.get(`default/${service}#0`)?.length ?? 0;
  }

  /** Lines `<run> <number>` are to be there from the first on, each once and in order. */
  violations(service: string): string[] {
    const lines = this.#lines.get(`default/${service}#0`) ?? [];
    const first = Number(lines[0]?.split(" ")[1]);
    return lines.filter((line, i) => Number(line.split(" ")[1]) !== first + i);
  }

  end(): void {
    this.#enough.abort();
  }

  [Symbol.dispose](): void {
    this.end();
  }

  async #read(daemon: TestDaemon): Promise<void> {
    const filter = { selector: { all: true }, streams: [LogStream.STDOUT] };
    try {
      for await (const { entries } of daemon.client(LogService).followLogs({ filter }, { signal: this.#enough.signal })) {
        for (const { instance, content } of entries) {
          const lines = this.#lines.get(instance) ?? [];
          this.#lines.set(instance, [...lines, String(content.value)]);
        }
      }
    } catch (error) {
      if (!this.#enough.signal.aborted) throw error;
    }
  }
}
