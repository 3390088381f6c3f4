import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as passTime } from "node:timers/promises";
import { expect, it } from "vitest";
import { EventService, EventType } from "../../gen/pm/v1/event_service_pb.ts";
import { LogRotation_Compression as Compression } from "../../gen/pm/v1/process_pb.ts";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import type { Fact } from "../support/check-history.ts";
import { countByRun } from "../support/count-by-run.ts";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { History, witnesses } from "../support/history.ts";
import { listRunDirectories, processesWith, type RunDirectory } from "../support/run-directories.ts";
import { type SeededRandom, seededRandom } from "../support/seeded-random.ts";
import { isAlive, isRunning, named, shell } from "../support/specs.ts";

/** Once without it; with it, seed after seed until the time is over. */
const minutes = Number(process.env.CHAOS_MINUTES ?? 0);
const faultsPerSeed = 30;
const chunkBytes = 64 * 1024;

const counters = ["one", "two", "three"];
/** Is stopped and started by the test all the while. */
const restless = "three";

it("whatever is killed or stopped under load, in any order: each end once, each line once, one of each, and nothing after the stop", {
  timeout: (minutes + 10) * 60_000,
}, async () => {
  const until = performance.now() + minutes * 60_000;
  do await rage(seededRandom("kill all"));
  while (performance.now() < until);
});

async function rage(random: SeededRandom): Promise<void> {
  const cgroups = random.pick(["auto", "off"]);
  await using daemon = await startDaemon({ args: ["--cgroups", cgroups] });
  const client = daemon.client(SupervisorService);
  const history = new History(daemon);
  const logs = { rotate: { size: 131_072n, backups: 10_000, compress: Compression.ZSTD } };
  for (const name of counters) await client.createService({ name, spec: shell(daemon, witnesses.counting, { process: { logs } }) });
  const restart = { delay: { nanos: 20_000_000 }, maxDelay: { nanos: 100_000_000 } };
  await client.createService({ name: "mortal", spec: shell(daemon, witnesses.lastWords, { restart, process: { logs } }), wait: { level: 1 } });
  history.add({ type: "asked", instance: `${restless}#0` });

  const faults = new Faults(daemon, { history, random });
  const story: string[] = [];
  // What happens when is the experiment itself.
  for (let fault = 0; fault < faultsPerSeed; fault++) {
    await passTime(random.between(0, 300));
    story.push(await faults.next());
  }
  await faults.settle();

  await client.startServices({ selector: named(...counters) });
  // One whose shim was killed too is known to have ended only at pmd's next slow look, where there are no cgroups.
  const alive = await eventually(async () => {
    const running = await Promise.all(counters.map((name) => isRunning(daemon, name)));
    const found = counters.map((name) => ({ name, pids: aliveOf(daemon, name) }));
    return running.every(Boolean) && found.every(({ pids }) => pids.length > 0) && found;
  });
  for (const { name, pids } of alive) history.add({ type: "wanted", instance: `${name}#0`, count: 1, pids });
  const before = history.lives("mortal");
  await eventually(() => history.lives("mortal") > before);
  await client.stopServices({ selector: { all: true } });
  for (const pid of servicesOf(daemon)) history.add({ type: "left", what: `${pid}` });
  await eventually(() => readdirSync(join(daemon.runtimeDir, "runs")).length === 0);
  for (const name of [...counters, "mortal"]) history.add(...(await outputsOf(daemon, name, { history, pumpKills: faults.pumpKills })));
  const { events } = await daemon.client(EventService).listEvents({ filter: { types: [EventType.RUN_ENDED] }, maxEvents: 10_000 });
  expect(events.length).toBeGreaterThan(5);
  expect({ seed: random.seed, cgroups, story, violations: await history.violations() }).toMatchObject({ violations: [] });
}

type Kind = keyof Faults["kinds"];

/** Everything that is done to one pmd and what belongs to it. */
class Faults {
  pumpKills = 0;
  readonly #daemon: TestDaemon;
  readonly #history: History;
  readonly #random: SeededRandom;
  readonly #calls: Promise<unknown>[] = [];

  constructor(daemon: TestDaemon, { history, random }: { history: History; random: SeededRandom }) {
    this.#daemon = daemon;
    this.#history = history;
    this.#random = random;
  }

  readonly kinds = {
    "kill pmd": () => this.#killPmd(),
    "kill pump": () => this.#killPump(),
    "kill shim": () => this.#killRun(["shim"]),
    "kill service": () => this.#killRun(["service"]),
    "kill tree": () => this.#killRun(["shim", "service"]),
    "stop pmd": () => this.#pause(this.#daemon.pid),
    "stop pump": () => this.#pause(this.#pumpPid()),
    "stop shim": () => this.#pause(this.#anyRun()?.shim),
    "stop service": () => this.#pause(this.#anyRun()?.pid),
    call: async () => this.#call(),
  };

  /** Does one of them, and says which. */
  async next(): Promise<Kind> {
    const kind = this.#random.pick(Object.keys(this.kinds) as Kind[]);
    await this.kinds[kind]();
    return kind;
  }

  /** Resolves when every call has its answer, or none. */
  async settle(): Promise<void> {
    await Promise.all(this.#calls);
  }

  async #killPmd(): Promise<void> {
    await this.#daemon.kill9();
    await passTime(this.#random.between(0, 300));
    await this.#daemon.start();
  }

  async #killPump(): Promise<void> {
    const pid = this.#pumpPid();
    if (pid !== undefined && (await kill(pid))) this.pumpKills++;
  }

  async #killRun(whom: readonly ("shim" | "service")[]): Promise<void> {
    const found = this.#anyRun();
    if (!found) return;
    const { run, shim, pid } = found;
    if (whom.includes("shim") && shim !== undefined && (await kill(shim))) this.#history.add({ type: "killed", run, what: "shim" });
    if (!whom.includes("service") || pid === undefined || !(await kill(pid))) return;
    this.#history.add({ type: "killed", run, what: "service" });
    // Its children with it.
    if (whom.includes("shim")) for (const child of processesWith(`PM_RUN_ID=${run}`)) await kill(child);
  }

  async #pause(pid: number | undefined): Promise<void> {
    if (pid === undefined || !send(pid, "SIGSTOP")) return;
    await passTime(this.#random.between(50, 700));
    send(pid, "SIGCONT");
  }

  /** Nobody waits for it: what happens next happens meanwhile. */
  #call(): void {
    const client = this.#daemon.client(SupervisorService);
    const selector = named(restless);
    const verb = this.#random.pick(["startServices", "stopServices", "restartServices"] as const);
    // A pmd that is killed gives no answer.
    this.#calls.push(client[verb]({ selector }).catch(() => undefined));
  }

  /** Not of the mortal: what it is killed with while it ends is not to be known. */
  #anyRun(): RunDirectory | undefined {
    const runs = listRunDirectories(this.#daemon.runtimeDir).filter(({ service }) => counters.includes(service));
    return runs.length > 0 ? this.#random.pick(runs) : undefined;
  }

  #pumpPid(): number | undefined {
    try {
      const pid = Number(readFileSync(join(this.#daemon.runtimeDir, "pump/pid"), "latin1"));
      const isPump = readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(this.#daemon.runtimeDir);
      return isPump ? pid : undefined;
    } catch {
      return undefined; // there is none just now
    }
  }
}

/** Says whether it was there. What was killed looks alive until the kernel comes to it: now it does not any more. */
async function kill(pid: number): Promise<boolean> {
  if (!send(pid, "SIGKILL")) return false;
  await eventually(() => !isAlive(pid));
  return true;
}

/** Says whether it was there. */
function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

function aliveOf(daemon: TestDaemon, service: string): number[] {
  return listRunDirectories(daemon.runtimeDir).flatMap((run) => (run.service === service && run.pid !== undefined ? [run.pid] : []));
}

/** Services have the mark from their spec, and only they have a run. */
function servicesOf(daemon: TestDaemon): number[] {
  const marked = new Set(processesWith(`PM_TEST_MARK=${daemon.mark.PM_TEST_MARK}`));
  return processesWith("PM_RUN_ID").filter((pid) => marked.has(pid));
}

async function outputsOf(
  daemon: TestDaemon,
  service: string,
  { history, pumpKills }: { history: History; pumpKills: number },
): Promise<Extract<Fact, { type: "output" }>[]> {
  const ends = history
    .written()
    .flatMap((fact) => (fact.type === "ending" && fact.instance === `${service}#0` ? [[fact.run, fact.code] as const] : []));
  return Promise.all(
    (["stdout", "stderr"] as const).map(async (stream) => {
      const path = join(daemon.logDir, service, stream === "stdout" ? "out.log" : "err.log");
      const { shortest, ...output } = await countByRun({ instance: `default/${service}#0`, stream, path }, new Map(ends));
      expect(output.lines, path).toBeGreaterThan(0);
      return { type: "output", path, excused: Math.floor((pumpKills * chunkBytes) / shortest), ...output } as const;
    }),
  );
}
