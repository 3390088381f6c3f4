import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { ConfigService } from "../../gen/pm/v1/config_service_pb.ts";
import { ExitRecord_Cause as Cause } from "../../gen/pm/v1/process_pb.ts";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { startDaemon, TestDaemon } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { History, witnesses } from "../support/history.ts";
import { getService, isRunning, named, pidOf, shell } from "../support/specs.ts";
import { makeTempDir } from "../support/temp-dir.ts";

/** What the loop over all of pmd's failpoints can come to: in the order in which a life of pmd meets them. */
const inALife = [
  "adopt.found",
  "adopt.one-taken",
  "adopt.all-taken",
  "store.soon-before-commit",
  "store.soon-committed",
  "spare.folders-made",
  "spare.shims-started",
  "create.stored",
  "store.durable-before-commit",
  "store.durable-committed",
  "start.spec-written",
  "start.order-written",
  "start.published",
  "start.told",
  "start.recorded",
  "intent.stored",
  "stop.asked",
  "stop.before-kill",
  "stop.killed",
  "end.recorded",
  "end.stored",
  "discard.renamed",
  "delete.stored",
];
/** Met only where there is no store yet. */
const atTheFirstStart = ["store.made", "store.named"];
/** pump-failpoints.test.ts */
const ofThePump = [
  "pump.chunk-in-hand",
  "pump.drained",
  "pump.acknowledged",
  "pump.end-told",
  "rotate.index-renamed",
  "rotate.file-renamed",
  "rotate.marked",
];

const place = makeTempDir();
const programs = join(place.path, "programs");
beforeAll(() => {
  execFileSync(process.execPath, ["scripts/build.ts", programs, "--failpoints"], { stdio: ["ignore", "ignore", "inherit"] });
  return () => place[Symbol.asyncDispose]();
});

it("every failpoint in the source is met by a test, and each that a test meets is there", () => {
  const source = filesOf("src")
    .filter((path) => path !== "src/failpoint.ts")
    .map((path) => readFileSync(path, "utf8"))
    .join("");
  const named = [...source.matchAll(/failpoint\(["`]([^"`]+)["`]\)/g)].map(([, name = ""]) => name);
  // biome-ignore lint/suspicious/noTemplateCurlyInString: as it stands in the source
  const written = named.flatMap((name) => (name.includes("${") ? ["durable", "soon"].map((word) => name.replace("${durability}", word)) : [name]));
  expect(written.sort()).toEqual([...inALife, ...atTheFirstStart, ...ofThePump].sort());
});

it("the published programs have no failpoints", () => {
  const published = join(place.path, "published");
  execFileSync(process.execPath, ["scripts/build.ts", published], { stdio: ["ignore", "ignore", "inherit"] });
  const traces = /PMD_FAILPOINT|before-commit|chunk-in-hand/;
  const withTraces = (directory: string) => filesOf(directory).filter((path) => path.endsWith(".js") && traces.test(readFileSync(path, "utf8")));
  expect(withTraces(published)).toEqual([]);
  expect(withTraces(programs)).not.toEqual([]);
});

/** What differs between the two is what a stop looks at, and test/e2e has that; both at length. */
const kinds = process.env.CHAOS_KILLS ? ["auto", "off"] : ["auto"];

describe.each(kinds)("with cgroups %s", (cgroups) => {
  it("pmd killed between any two of its steps: one of each instance, no end forgotten, nothing left", async () => {
    await using daemon = await startDaemon({ programs, args: ["--cgroups", cgroups] });
    const client = daemon.client(SupervisorService);
    const history = new History(daemon);
    await client.createService({ name: "lasting", spec: shell(daemon, witnesses.lasting) });
    await client.createService({
      name: "mortal",
      spec: shell(daemon, witnesses.mortal, { restart: { delay: { nanos: 50_000_000 }, maxDelay: { nanos: 50_000_000 } } }),
    });
    history.add({ type: "asked", instance: "fresh#0" });
    const pid = await pidOf(daemon, "lasting");
    await daemon.kill9();
    for (const point of inALife) {
      await dieAt(daemon, point);
      await daemon.start();
      await eventually(() => isRunning(daemon, "lasting"));
      expect(await pidOf(daemon, "lasting"), point).toBe(pid);
      await removeFresh(daemon);
      const before = history.lives("mortal");
      await eventually(() => history.lives("mortal") > before);
      await daemon.kill9();
    }
    await daemon.start();
    await client.stopServices({ selector: { all: true } });
    await eventually(() => readdirSync(join(daemon.runtimeDir, "runs")).length === 0);
    await eventually(() => readdirSync(join(daemon.runtimeDir, "trash")).length === 0);
    expect(await history.violations()).toEqual([]);
  });
});

it.each(["intent.stored", "stop.asked", "stop.killed", "end.recorded"])(
  "pmd killed at %s of a stop: the next one carries it out, and records that the run was stopped by request",
  async (point) => {
    await using daemon = await startDaemon({ programs });
    const client = daemon.client(SupervisorService);
    await client.createService({ name: "lasting", spec: shell(daemon, witnesses.stubborn) });
    await daemon.stop();
    await daemon.start({ PMD_FAILPOINT: `${point}:kill` });
    await eventually(() => isRunning(daemon, "lasting"));
    await client.stopServices({ selector: named("lasting"), grace: { nanos: 50_000_000 } }).catch(() => undefined);
    expect(await daemon.ended()).toBe("SIGKILL");
    await daemon.start();
    await client.stopServices({ selector: named("lasting"), grace: { nanos: 1 } });
    const { runs } = await client.getService({ name: "lasting", runHistory: 10 });
    expect(runs.map(({ exit }) => exit?.cause)).toEqual([Cause.STOPPED_BY_REQUEST]);
    await eventually(() => readdirSync(join(daemon.runtimeDir, "runs")).length === 0);
  },
);

it.each(["store.durable-before-commit", "intent.stored", "stop.asked", "end.recorded", "delete.stored"])(
  "pmd killed at %s of an apply: applied again, services are what the file says, and nothing else is left",
  async (point) => {
    await using daemon = await startDaemon({ programs });
    const client = daemon.client(ConfigService);
    const apply = (services: Record<string, string>) => {
      const entries = Object.entries(services).map(([name, line]) => [name, { command: line, env: daemon.mark, start: { settle: "20ms" } }]);
      const text = JSON.stringify({ version: 1, services: Object.fromEntries(entries) });
      return client.applyConfig({ file: { path: join(daemon.root, "pm.json"), text }, options: { prune: true } });
    };
    await apply({ same: "exec sleep 1000", other: "exec sleep 1000", old: "exec sleep 1000" });
    const pid = await pidOf(daemon, "same");
    await daemon.stop();
    await daemon.start({ PMD_FAILPOINT: `${point}:kill` });
    await eventually(() => isRunning(daemon, "other"));
    const wanted = { same: "exec sleep 1000", other: "exec sleep 1001", fresh: "exec sleep 1000" };
    await apply(wanted).catch(() => undefined);
    expect(await daemon.ended()).toBe("SIGKILL");
    await daemon.start();
    await apply(wanted);
    const { services } = await daemon.client(SupervisorService).listServices({});
    expect(services.map(({ name }) => name)).toEqual(["fresh", "other", "same"]);
    for (const { name } of services) await eventually(() => isRunning(daemon, name));
    expect(await pidOf(daemon, "same")).toBe(pid);
    // A shell becomes what it was told to be a moment after it has begun.
    await eventually(async () => {
      const pids = await Promise.all(["fresh", "other", "same"].map((name) => pidOf(daemon, name)));
      const seconds = pids.map((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")[1]);
      return seconds.join() === "1000,1001,1000";
    });
    await eventually(() => readdirSync(join(daemon.runtimeDir, "runs")).length === 3);
  },
);

it.each(atTheFirstStart)("pmd killed at %s, before it has ever had a store, starts the next time as if it were the first", async (point) => {
  await using daemon = new TestDaemon({ programs });
  await expect(daemon.start({ PMD_FAILPOINT: `${point}:kill` })).rejects.toThrow(/ended before it answered/);
  await daemon.start();
  await daemon.client(SupervisorService).createService({ name: "web", spec: shell(daemon, "exec sleep 1000") });
  expect(await isRunning(daemon, "web")).toBe(true);
});

/** Starts pmd so that it dies at this point, and has it do all that it can be asked for until it does. */
async function dieAt(daemon: TestDaemon, point: string): Promise<void> {
  let asked: Promise<unknown> = Promise.resolve();
  try {
    await daemon.start({ PMD_FAILPOINT: `${point}:kill` });
    asked = liveThrough(daemon);
    await asked;
  } catch {
    // It died on the way, as it was to.
  }
  const end = await daemon.ended().catch(() => "it lives on");
  expect(`${point}: ${end}`).toBe(`${point}: SIGKILL`);
}

async function liveThrough(daemon: TestDaemon): Promise<void> {
  const client = daemon.client(SupervisorService);
  const process = { stop: { grace: { nanos: 50_000_000 } } };
  await client.createService({ name: "fresh", spec: shell(daemon, witnesses.stubborn, { process }) });
  await client.restartServices({ selector: named("fresh") });
  await client.stopServices({ selector: named("fresh") });
  await client.deleteServices({ selector: named("fresh") });
}

/** Whatever became of it, pmd knows what is wanted of it: it comes to rest there, and lets itself be deleted. */
async function removeFresh(daemon: TestDaemon): Promise<void> {
  const { services } = await daemon.client(SupervisorService).listServices({});
  if (!services.some(({ name }) => name === "fresh")) return;
  await eventually(async () => {
    const { status } = await getService(daemon, "fresh");
    return status?.instancesReady === (status?.desired === 2 ? 0 : 1);
  });
  await daemon.client(SupervisorService).deleteServices({ selector: named("fresh") });
}

function filesOf(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
}
