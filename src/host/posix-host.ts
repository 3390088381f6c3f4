import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, renameSync, writeFileSync, writeSync } from "node:fs";
import { rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { commandArgv, type ProcessSpec, pickLogSettings } from "../core/spec.ts";
import type { RunExit } from "../core/state.ts";
import { failpoint } from "../failpoint.ts";
import type { FoundRun, Host, LaunchOrder, LiveRun, RunListener } from "../supervisor/host.ts";
import { type CgroupSupport, findCgroupRoot, isPopulated, killCgroup, removeCgroup, removeEmptyCgroup, subgroups } from "./cgroup.ts";
import { homeDirectory } from "./child-environment.ts";
import { findEnvironment, findObstacle } from "./find-obstacle.ts";
import { Ports } from "./ports.ts";
import { PosixRun } from "./posix-run.ts";
import { readBootId } from "./process-table.ts";
import { parseRunSpec, type RunSpecFile } from "./run-files.ts";
import { endRemains, waitUntil } from "./run-tree.ts";
import { runVariables } from "./run-variables.ts";
import { shimOrderText } from "./shim-order.ts";
import { isShortage, tryToSee } from "./shortage.ts";
import { SpareRuns } from "./spare-runs.ts";
import { StartingRun } from "./starting-run.ts";
import { Turns } from "./turns.ts";

/** systemd gives services the same: programs that select(2) break above it, and those that need more raise it themselves up to the hard limit. */
const softOpenFiles = 1024;
/** So many services can be started without waiting for anything to be made first. */
const spareRuns = 8;
/** setTimeout fires at once beyond 2^31 ms. */
const longestTimerMs = 86_400_000;

export interface HostSettings {
  readonly runtimeDir: string;
  /** The same for every pmd on one state directory: names its place among the cgroups. */
  readonly id: string;
  readonly cgroups: "auto" | "off";
  readonly log: (message: string, details: object) => void;
}

/** The operating system, by way of shims, FIFOs and cgroups. */
export class PosixHost implements Host {
  readonly cgroups: CgroupSupport;
  readonly bootId = readBootId();
  readonly #runsDir: string;
  readonly #trashDir: string;
  readonly #setsid: string;
  readonly #env: string;
  readonly #spares: SpareRuns;
  readonly #log: HostSettings["log"];
  readonly #runs = new Map<string, PosixRun>();
  readonly #turns = new Turns();
  readonly #ports = new Ports();

  constructor({ id, cgroups, log, ...settings }: HostSettings) {
    this.#log = log;
    // The kernel calls a directory by its real name, and processes are known by the directory they stand in.
    const runtimeDir = realpathSync(settings.runtimeDir);
    this.#runsDir = join(runtimeDir, "runs");
    this.#trashDir = join(runtimeDir, "trash");
    mkdirSync(this.#runsDir, { recursive: true, mode: 0o711 });
    mkdirSync(this.#trashDir, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(this.#trashDir)) void this.#remove(join(this.#trashDir, name));
    this.cgroups = cgroups === "auto" ? findCgroupRoot(id) : { available: false, reason: "switched off" };
    if (this.cgroups.available) sweepCgroups(this.cgroups.root, this.#runsDir);
    this.#setsid = findProgram("setsid");
    this.#env = findProgram("env");
    this.#spares = new SpareRuns({
      folder: join(runtimeDir, "spare"),
      shimPath: installShim(runtimeDir),
      cgroupRoot: this.cgroups.available ? this.cgroups.root : "",
      wanted: spareRuns,
      discard: (directory) => this.#discard(directory),
    });
  }

  now(): number {
    return performance.now();
  }

  wallTime(): number {
    return Date.now();
  }

  random(): number {
    return Math.random();
  }

  after(ms: number, call: () => void): () => void {
    let timer: NodeJS.Timeout;
    const wait = (left: number): void => {
      timer = setTimeout(() => (left > longestTimerMs ? wait(left - longestTimerMs) : call()), Math.max(0, Math.min(left, longestTimerMs)));
    };
    wait(ms);
    return () => clearTimeout(timer);
  }

  findObstacle(process: ProcessSpec): string | undefined {
    return findObstacle(process);
  }

  launch(order: LaunchOrder, told: RunListener): LiveRun {
    const run = new StartingRun(order.runId, this.wallTime());
    const listener = this.#releasingPort(order.runId, told);
    this.#start(order, run, listener).catch((error: Error) => {
      run.nothingToDrain();
      listener.gone({ kind: "spawn-failed", endedAt: this.wallTime(), uptimeMs: 0, message: error.message });
    });
    return run;
  }

  findRuns(): FoundRun[] {
    return readdirSync(this.#runsDir).flatMap((name) => {
      const directory = join(this.#runsDir, name);
      const spec = readSpec(directory);
      if (spec && spec.runId === name) return [found(spec)];
      // Nobody can say whose run it was, so nobody can take it over; left alone, it would be the twin of the one that is started instead.
      endRemains({ runId: name, directory });
      this.#log("a run directory without a readable spec was removed, and what lived of the run ended", { directory });
      void this.#discard(directory);
      return [];
    });
  }

  adopt({ order }: FoundRun, listener: RunListener): LiveRun {
    const directory = join(this.#runsDir, order.runId);
    const spec = readSpec(directory);
    const run = new StartingRun(order.runId, spec?.startedAt ?? this.wallTime());
    if (!spec || spec.bootId !== this.bootId) {
      // Nothing of an earlier boot can be alive, whatever its pids are called now.
      setImmediate(() => {
        run.nothingToDrain();
        void this.#discard(directory);
        listener.gone({ kind: "lost", endedAt: this.wallTime(), uptimeMs: 0, message: "the host was started again" });
      });
      return run;
    }
    run.port = spec.port ?? 0;
    this.#ports.keep(order.runId, run.port);
    const posixRun = new PosixRun(directory, spec, { listener: this.#releasingPort(order.runId, listener), turns: this.#turns });
    this.#runs.set(order.runId, posixRun);
    run.become(posixRun);
    posixRun.lookSoon();
    return run;
  }

  forget(runId: string): void {
    const run = this.#runs.get(runId);
    if (!run) return;
    run.drained.then(
      () => {
        this.#runs.delete(runId);
        const { cgroup } = run;
        // Where it cannot be removed just now the next pmd sweeps it.
        if (cgroup) tryToSee(() => removeCgroup(cgroup));
        void this.#discard(run.directory);
      },
      () => undefined, // never rejected
    );
  }

  /** No run is left, dead or alive. */
  get isIdle(): boolean {
    return this.#runs.size === 0;
  }

  /** Resolves when all that has ended has been taken by the pump. */
  async allDrained(): Promise<void> {
    await Promise.all([...this.#runs.values()].map((run) => run.drained));
  }

  /** Runs go on; what was only made ahead goes. */
  async close(): Promise<void> {
    for (const run of this.#runs.values()) run.close();
    await this.#spares.close();
    if (!this.cgroups.available) return;
    // Of a run whose end has not been stored yet, the directory stays for the next pmd.
    for (const group of subgroups(this.cgroups.root)) removeEmptyCgroup(group);
    removeEmptyCgroup(this.cgroups.root);
  }

  #releasingPort(runId: string, listener: RunListener): RunListener {
    const gone = (exit: RunExit) => {
      this.#ports.release(runId);
      listener.gone(exit);
    };
    return { ...listener, gone };
  }

  async #start(order: LaunchOrder, starting: StartingRun, listener: RunListener): Promise<void> {
    const environment = findEnvironment(order.definition.spec.process);
    if (order.ports.length > 0) starting.port = await this.#ports.take(order.runId, order.ports);
    const spare = await this.#spares.take();
    const directory = join(this.#runsDir, order.runId);
    const spec = this.#specFile(order, spare.cgroup, starting);
    try {
      if (starting.cancelled) throw new Error("it was stopped before it was started");
      writeFileSync(join(spare.directory, "spec.json"), JSON.stringify(spec), { mode: 0o600 });
      failpoint("start.spec-written");
      writeFileSync(join(spare.directory, "order"), this.#shimOrder(spec, environment), { mode: 0o600 });
      failpoint("start.order-written");
      renameSync(spare.directory, directory);
    } catch (error) {
      await this.#spares.discard(spare);
      throw error;
    }
    failpoint("start.published");
    writeSync(spare.go, "go\n");
    failpoint("start.told");
    const run = new PosixRun(directory, spec, { listener, turns: this.#turns, go: spare.go });
    this.#runs.set(order.runId, run);
    starting.become(run);
    // The process may have come before the watch did.
    run.lookSoon();
  }

  #specFile({ stdoutPath, stderrPath, ...order }: LaunchOrder, cgroup: string, { startedAt, port }: StartingRun): RunSpecFile {
    const settings = pickLogSettings(order.definition.spec.process.logs);
    return {
      runId: order.runId,
      bootId: this.bootId,
      namespace: order.namespace,
      service: order.service,
      index: order.index,
      generation: order.generation,
      instances: order.instances,
      startedAt,
      cgroup,
      logs: { stdout: stdoutPath, stderr: stderrPath, settings },
      ...(port > 0 && { port }),
      definition: order.definition,
    };
  }

  #shimOrder(spec: RunSpecFile, environment: Record<string, string>): string {
    const { command, workingDirectory } = spec.definition.spec.process;
    return shimOrderText({
      argv: commandArgv(command),
      environment: { ...environment, ...runVariables(spec) },
      workingDirectory: workingDirectory || homeDirectory(),
      softOpenFiles,
      setsid: this.#setsid,
      env: this.#env,
    });
  }

  /** First under another name, so that a kill in the middle leaves no half of a run. Resolves when it has been removed. */
  async #discard(directory: string): Promise<void> {
    const trash = join(this.#trashDir, basename(directory));
    try {
      renameSync(directory, trash);
    } catch {
      return; // it is gone already
    }
    failpoint("discard.renamed");
    await this.#remove(trash);
  }

  /** Never fails: what cannot be removed is tried again by the next pmd. A shim on its way out may still write into it. */
  async #remove(path: string): Promise<void> {
    try {
      await rm(path, { recursive: true, force: true, maxRetries: 3 });
    } catch (error) {
      this.#log("cannot remove trash", { path, error: (error as Error).message });
    }
  }
}

function found(spec: RunSpecFile): FoundRun {
  const { runId, namespace, service, index, generation, logs, definition, startedAt } = spec;
  const order = { runId, namespace, service, index, generation, definition, stdoutPath: logs.stdout, stderrPath: logs.stderr };
  return { order, startedAt };
}

function readSpec(directory: string): RunSpecFile | undefined {
  try {
    return parseRunSpec(readFileSync(join(directory, "spec.json"), "utf8"));
  } catch (error) {
    // One that could only not be read now may be of a run that lives.
    if (isShortage(error)) throw error;
    return undefined;
  }
}

/**
 * The script goes where an upgrade does not change it: some shells read a script while they run it. Named by its content, so that the shims
 * of an older pmd keep theirs.
 */
function installShim(runtimeDir: string): string {
  const source = new URL("shim.sh", import.meta.url);
  const digest = createHash("sha256").update(readFileSync(source)).digest("hex").slice(0, 8);
  const path = join(runtimeDir, `shim-${digest}.sh`);
  if (!existsSync(path)) {
    copyFileSync(source, `${path}.new`);
    renameSync(`${path}.new`, path);
  }
  return path;
}

/** Absolute, because some shells prefer a lesser program of their own to the one of this name. */
function findProgram(name: string): string {
  const path = ["/usr/bin", "/bin", "/usr/local/bin"].map((folder) => join(folder, name)).find((candidate) => existsSync(candidate));
  if (!path) throw new Error(`cannot find ${name}: install util-linux and coreutils`);
  return path;
}

/** Groups of runs that are over, left by a pmd that was killed before it removed them; and of one whose directory does not name it any more: it is ended. */
function sweepCgroups(root: string, runsDir: string): void {
  const inUse = new Set(readdirSync(runsDir).map((name) => readSpec(join(runsDir, name))?.cgroup));
  for (const group of subgroups(root)) {
    if (inUse.has(group)) continue;
    killCgroup(group);
    waitUntil(() => !isPopulated(group));
    removeCgroup(group);
  }
}
