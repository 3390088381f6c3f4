import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as passTime } from "node:timers/promises";
import { expect, it } from "vitest";
import { EventService, EventType } from "../../gen/pm/v1/event_service_pb.ts";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { startDaemon } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { checkNumberedLines, countForever } from "../support/numbered-lines.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { getService, isAlive, isRunning, shell } from "../support/specs.ts";

const kills = Number(process.env.CHAOS_KILLS ?? 30);
const loggers = ["one", "two", "three"];

// Ends by itself again and again, each time with another code, and writes down before it does what it is going to end with.
const mortal = 'sleep 0.0$(( $$ % 10 )); code=$(( $$ % 100 )); echo "$PM_RUN_ID $code" >>truth; exit $code';

it(`pmd killed ${kills} times under load: no service dies, no line is lost or doubled, every exit is recorded once`, async () => {
  const random = seededRandom("kill pmd");
  await using daemon = await startDaemon();
  const client = daemon.client(SupervisorService);
  const logs = { rotate: { size: 262_144n, backups: 10_000 } };
  for (const name of loggers) await client.createService({ name, spec: shell(daemon, countForever, { process: { logs } }) });
  // Ends many times between two kills, however many have come before.
  const restart = { delay: { nanos: 10_000_000 }, maxDelay: { nanos: 50_000_000 } };
  await client.createService({ name: "mortal", spec: shell(daemon, mortal, { restart }), wait: { level: 1 } });
  const pids = await loggerPids();

  // What is killed when is the experiment itself: a moment of chance, now from the first instruction on, now at work.
  for (let kill = 0; kill < kills; kill++) {
    const starting = kill === 0 ? undefined : daemon.start().catch(() => undefined);
    if (kill % 2 === 0) await oneMoreEnd(starting);
    await passTime(random.between(0, kill % 2 === 0 ? 200 : 1000));
    await daemon.kill9();
    await starting;
  }
  await daemon.start();
  await eventually(async () => (await Promise.all(loggers.map((name) => isRunning(daemon, name)))).every(Boolean));
  expect(await loggerPids()).toEqual(pids);
  expect(pids.every(isAlive)).toBe(true);

  await client.stopServices({ selector: { all: true } });
  const { events } = await daemon.client(EventService).listEvents({ filter: { types: [EventType.RUN_ENDED] }, maxEvents: 10_000 });
  const recorded = Map.groupBy(events, ({ runId }) => runId);
  const truth = readTruth();
  expect(truth.size).toBeGreaterThan(kills / 2);
  const wrong = [...truth].filter(([runId, code]) => {
    const ends = recorded.get(runId) ?? [];
    return ends.length !== 1 || ends[0]?.exit?.code !== Number(code);
  });
  const story = wrong.map(([runId, code]) => [runId, code, ...(recorded.get(runId) ?? []).map(({ message }) => message)].join(" "));
  expect(story).toEqual([]);

  // Its output is on disk when its run directory has gone.
  await eventually(() => readdirSync(join(daemon.runtimeDir, "runs")).length === 0);
  for (const name of loggers) {
    for (const file of ["out.log", "err.log"]) {
      const report = checkNumberedLines(join(daemon.logDir, name, file));
      expect(report).toMatchObject({ missing: 0, doubled: 0, disordered: 0, torn: [] });
      expect(report.lines).toBeGreaterThan(1000);
    }
  }

  /** Of the mortal service, since now: so that there is something new to forget. */
  async function oneMoreEnd(starting: Promise<void> | undefined): Promise<void> {
    await starting;
    const known = readTruth().size;
    await eventually(() => readTruth().size > known);
  }

  function readTruth(): Map<string, string> {
    const path = join(daemon.root, "truth");
    const lines = existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : [];
    return new Map(lines.map((line) => line.split(" ") as [string, string]));
  }

  async function loggerPids(): Promise<number[]> {
    const services = await Promise.all(loggers.map((name) => getService(daemon, name)));
    return services.map(({ status }) => status?.instances[0]?.run?.pid ?? 0);
  }
});
