import { spawn } from "node:child_process";
import { closeSync, existsSync, type FSWatcher, readFileSync, statSync, watch } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { commandArgv, type ProcessSpec } from "../core/spec.ts";
import type { RunExit } from "../core/state.ts";
import { failpoint } from "../failpoint.ts";
import type { CommandLimits, CommandOutcome, LiveRun, RunListener } from "../supervisor/host.ts";
import { countOomKills } from "./cgroup.ts";
import { childEnvironment, homeDirectory } from "./child-environment.ts";
import { endOldProbes, newProbeName, probeVariable, runProbe } from "./probe-command.ts";
import { ageMs, listPids, readStat } from "./process-table.ts";
import { type RunSpecFile, wholeLine } from "./run-files.ts";
import { endRemains, isMember, isShim, isTreeEmpty, killTree, type RunTree, standsAnybodyIn, treePids } from "./run-tree.ts";
import { runVariables } from "./run-variables.ts";
import { tryToSee } from "./shortage.ts";
import { openGo } from "./spare-runs.ts";
import type { Turns } from "./turns.ts";

// One run, from the moment its directory is published until nothing of it is left. What is true is what the directory and /proc say;
// this object only looks, whenever something stirs there, and tells its listener each fact once:
//
//   spawned    `pid` is whole and a process of this run has that number
//   orphaned   the main process has ended, and others of the run have not
//   gone       nothing of the run is left; with its status if the shim wrote one, else as lost
//
// Inotify says when to look; a slow clock looks all the same, for inotify has limits and queues that overflow.

const slowLookMs = 5000;
const proofLookMs = 10;
/** A shim that goes without a word stirs nothing in its directory. */
const startLookMs = 100;
/** If there is no word of a shim by then, it is asked whether there is one at all. */
const silentShimMs = 2000;

export interface RunParts {
  readonly listener: RunListener;
  readonly turns: Turns;
  /** The open FIFO of a run that this pmd has started. */
  readonly go?: number;
}

export class PosixRun implements LiveRun {
  readonly id: string;
  readonly startedAt: number;
  readonly directory: string;
  readonly #spec: RunSpecFile;
  readonly #listener: RunListener;
  readonly #foundAt = performance.now();
  /** Held until the shim has its own end: it would wait for ever for somebody to open this one, and a word in a FIFO that nobody holds is gone. */
  #go: number | undefined;
  readonly #adopted: boolean;
  #shim: number | undefined;
  #shimEnded = false;
  #pid: number | undefined;
  /** On the monotonic clock; of a run that had ended before this pmd looked it is not known. */
  #spawnedAt: number | undefined;
  #asked: ProcessSpec | undefined;
  #exit: RunExit | undefined;
  #state: "alive" | "orphaned" | "gone" = "alive";
  #watchers: FSWatcher[] = [];
  #watchesCgroup = false;
  #timer: NodeJS.Timeout | undefined;
  readonly #drained = Promise.withResolvers<void>();
  readonly #turns: Turns;
  #closed = false;
  readonly #lookNow = (): void => {
    if (!this.#closed) this.look();
  };

  constructor(directory: string, spec: RunSpecFile, { listener, turns, go }: RunParts) {
    this.id = spec.runId;
    this.startedAt = spec.startedAt;
    this.directory = directory;
    this.#spec = spec;
    this.#listener = listener;
    this.#turns = turns;
    this.#adopted = go === undefined;
    this.#go = go ?? openGoIfThere(directory);
    this.#watch(directory);
    this.#lookLater();
  }

  get pid(): number | undefined {
    return this.#pid;
  }

  get port(): number {
    return this.#spec.port ?? 0;
  }

  get cgroup(): string | undefined {
    return this.#spec.cgroup || undefined;
  }

  get aliveMs(): number {
    return this.#spawnedAt === undefined ? 0 : performance.now() - this.#spawnedAt;
  }

  /** Its shim is gone while it lives: it runs on, and its exit status will not be known. */
  get shimLost(): boolean {
    return this.#shimEnded && this.#state !== "gone";
  }

  ask(process: ProcessSpec): void {
    if (this.#pid === undefined) {
      this.#asked = process;
      return;
    }
    this.#turns.soon(() => this.#ask(process));
  }

  #ask(process: ProcessSpec): void {
    if (this.#state === "gone") return;
    if (this.#state === "orphaned") return this.#sendToRest(process.stop.signal);
    const command = process.stop.command;
    if (!command) return this.#send(process.stop.signal, "group");
    // How it went is seen by the process ending, or by the grace period running out.
    this.runHelper(commandArgv(command), process, process.stop.graceMs).catch(() => undefined);
  }

  signal(name: string, to: "main" | "group"): void {
    if (this.#pid === undefined || !isMember(this.#tree(), this.#pid)) throw new Error("it has no process");
    this.#send(name, to);
  }

  /** What cannot be found now is killed the next time: the machine asks until nothing is left. */
  kill(): void {
    failpoint("stop.before-kill");
    tryToSee(() => killTree(this.#tree()));
    failpoint("stop.killed");
    this.#lookLater();
  }

  pids(): number[] {
    return tryToSee(() => treePids(this.#tree())) ?? [];
  }

  /** Rejects, and never throws, when its environment cannot be made: a file of it may have gone since the start. */
  async runHelper(argv: readonly string[], spec: ProcessSpec, timeoutMs: number): Promise<number> {
    const directory = spec.workingDirectory || homeDirectory();
    const environment = this.#environment(spec, directory);
    // Its output goes with the run's, and it joins the run's cgroup: what it leaves behind is not left.
    const script = '[ -z "$1" ] || echo 0 >"$1/cgroup.procs"; exec 1<>"$2/out" 2<>"$2/err"; shift 2; exec "$@"';
    const helper = spawn("/bin/sh", ["-c", script, "sh", this.#spec.cgroup, this.directory, ...argv], {
      cwd: directory,
      env: environment,
      detached: true,
      stdio: "ignore",
      timeout: Math.max(1, timeoutMs),
      killSignal: "SIGKILL",
    });
    return new Promise((resolve, reject) => {
      helper.once("error", reject);
      helper.once("exit", (code) => resolve(code ?? -1));
    });
  }

  runProbe(argv: readonly string[], spec: ProcessSpec, limits: CommandLimits): Promise<CommandOutcome> {
    const directory = spec.workingDirectory || homeDirectory();
    const name = newProbeName();
    const environment = { ...this.#environment(spec, directory), [probeVariable]: name };
    const cgroup = this.#spec.cgroup && join(this.#spec.cgroup, name);
    return runProbe({ argv, directory, environment, cgroup, name, ...limits });
  }

  /** What the service sees, and where it is. */
  #environment({ environment }: ProcessSpec, directory: string): Record<string, string> {
    return childEnvironment(environment, directory, { ...runVariables(this.#spec), PM_PID: String(this.#pid ?? "") });
  }

  /** Resolves when the run is gone and the pump has taken everything that it wrote. */
  get drained(): Promise<void> {
    return this.#drained.promise;
  }

  /** Of all that stirs at once it looks once. */
  lookSoon(): void {
    this.#turns.soon(this.#lookNow);
  }

  /** Looks at what there is and tells what is new. */
  look(): void {
    if (this.#state === "gone") return this.#lookForLastWord();
    this.#lookForShim();
    this.#lookForProcess();
    this.#lookForExit();
    if (this.#exit) this.#lookForEnd(this.#exit);
  }

  close(): void {
    this.#closed = true;
    this.#closeGo();
    clearTimeout(this.#timer);
    for (const watcher of this.#watchers.splice(0)) watcher.close();
  }

  #closeGo(): void {
    if (this.#go === undefined) return;
    closeSync(this.#go);
    this.#go = undefined;
  }

  #lookForShim(): void {
    this.#shim ??= this.#readNumber("shim");
    if (this.#shim !== undefined) this.#closeGo();
    if (this.#shimEnded) return;
    const { directory } = this;
    const shim = this.#shim;
    if (shim !== undefined) this.#shimEnded = tryToSee(() => isShim(shim, directory)) === false;
    // A machine may be so busy that a shim has not come to its first word; or pmd died before it was made.
    else if (performance.now() - this.#foundAt > silentShimMs) this.#shimEnded = tryToSee(() => standsAnybodyIn(directory)) === false;
    // Nobody writes down its end any more.
    if (this.#shimEnded) this.#watchCgroup();
  }

  #lookForProcess(): void {
    if (this.#pid !== undefined) return;
    // It may have ended already, and its number may be another's by now: whoever signals it looks again.
    const pid = this.#readNumber("pid") ?? this.#findProcess();
    if (pid === undefined) return;
    this.#pid = pid;
    this.#spawnedAt = this.#adopted ? this.#birthOf(pid) : performance.now();
    if (this.#adopted) tryToSee(() => endOldProbes(this.#tree()));
    this.#listener.spawned(pid);
    const asked = this.#asked;
    this.#asked = undefined;
    if (asked) this.ask(asked);
  }

  /** On the monotonic clock: what was found knows how old it is. */
  #birthOf(pid: number): number | undefined {
    return tryToSee(() => {
      const stat = isMember(this.#tree(), pid) ? readStat(pid) : undefined;
      return stat && performance.now() - ageMs(stat);
    });
  }

  /** Somebody has damaged what a shim wrote for an earlier pmd: its child is the service all the same. */
  #findProcess(): number | undefined {
    const shim = this.#shim;
    if (!this.#adopted || shim === undefined || this.#shimEnded || performance.now() - this.#foundAt < silentShimMs) return undefined;
    return tryToSee(() => listPids().find((pid) => readStat(pid)?.parent === shim));
  }

  #lookForExit(): void {
    if (this.#exit) return;
    const status = this.#readNumber("exit");
    if (status !== undefined) this.#exit = this.#ended(status);
    else if (this.#shimEnded && tryToSee(() => isTreeEmpty(this.#tree()))) this.#exit = this.#lost();
  }

  #lookForEnd(exit: RunExit): void {
    const empty = tryToSee(() => isTreeEmpty(this.#tree()));
    if (empty === undefined) return;
    if (empty) {
      this.#state = "gone";
      this.#listener.gone(exit);
      this.#lookForLastWord();
    } else if (this.#state === "alive") {
      this.#state = "orphaned";
      this.#watchCgroup();
      this.#lookLater();
      this.#listener.orphaned();
    }
  }

  #lookForLastWord(): void {
    // Somebody has taken the FIFO away by which the shim is let go: it would wait for ever, and so would whoever waits for it.
    if (!existsSync(join(this.directory, "ack"))) {
      tryToSee(() => endRemains({ runId: this.id, directory: this.directory }));
      this.#drained.resolve();
      return this.close();
    }
    if (!existsSync(join(this.directory, "out.eof")) || !existsSync(join(this.directory, "err.eof"))) return;
    this.#drained.resolve();
    this.close();
  }

  #ended(status: number): RunExit {
    // The file's time is when it ended, also when nobody was looking.
    const endedAt = Math.floor(statSync(join(this.directory, "exit")).mtimeMs);
    const uptimeMs = this.#uptimeMs(endedAt);
    const started = this.#readNumber("pid") !== undefined;
    const signal = signalOf(status);
    if (started) return { kind: "ended", status, endedAt, uptimeMs, ...(signal && { signal }), ...this.#oomKills() };
    return { kind: "spawn-failed", status, endedAt, uptimeMs, message: `its shell could not set it up (exit ${status}); its stderr says why` };
  }

  #oomKills(): Pick<RunExit, "oomKills"> {
    const { cgroup } = this.#spec;
    const oomKills = cgroup === "" ? undefined : tryToSee(() => countOomKills(cgroup));
    return oomKills === undefined ? {} : { oomKills };
  }

  #lost(): RunExit {
    const endedAt = Date.now();
    const message = this.#readNumber("shim") === undefined ? "it was never started: pmd was killed" : "its shim was killed, so nobody saw its end";
    return { kind: "lost", endedAt, uptimeMs: this.#uptimeMs(endedAt), message };
  }

  /** By the monotonic clock where this pmd has seen it alive. */
  #uptimeMs(endedAt: number): number {
    if (this.#spawnedAt !== undefined) return this.aliveMs;
    return Math.max(0, endedAt - this.startedAt);
  }

  #send(signal: string, to: "main" | "group"): void {
    const pid = this.#pid;
    if (pid === undefined || !tryToSee(() => isMember(this.#tree(), pid))) return;
    try {
      process.kill(to === "group" ? -pid : pid, signal);
      failpoint("stop.asked");
      // A stopped process takes no signal but KILL until it goes on.
      if (to === "group" && signal !== "SIGSTOP") process.kill(-pid, "SIGCONT");
    } catch (error) {
      // Until its exec it is no group leader yet: then it is alone.
      if ((error as NodeJS.ErrnoException).code === "ESRCH" && to === "group") this.#send(signal, "main");
    }
  }

  #sendToRest(signal: string): void {
    for (const pid of this.pids()) {
      try {
        process.kill(pid, signal);
        process.kill(pid, "SIGCONT");
      } catch {
        // It ended between the look and the signal.
      }
    }
  }

  #tree(): RunTree {
    return { runId: this.id, directory: this.directory, cgroup: this.#spec.cgroup, pid: this.#pid, shim: this.#shim };
  }

  #readNumber(file: string): number | undefined {
    const path = join(this.directory, file);
    // Mostly it is not there yet, and an error costs more than a question.
    if (!existsSync(path)) return undefined;
    try {
      const line = wholeLine(readFileSync(path, "latin1"));
      // No pid and no status has more digits.
      return line !== undefined && /^\d{1,7}$/.test(line) ? Number(line) : undefined;
    } catch {
      return undefined; // not written yet
    }
  }

  #watch(path: string): void {
    try {
      const watcher = watch(path, { persistent: false }, () => this.lookSoon());
      watcher.on("error", () => watcher.close());
      this.#watchers.push(watcher);
    } catch {
      // Inotify is used up: the slow look has to do.
    }
  }

  /** The kernel tells there when the last process has gone. */
  #watchCgroup(): void {
    if (!this.#spec.cgroup || this.#watchesCgroup) return;
    this.#watchesCgroup = true;
    this.#watch(join(this.#spec.cgroup, "cgroup.events"));
  }

  #lookLater(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#lookLater();
      this.look();
    }, this.#lookAgainMs).unref();
  }

  get #lookAgainMs(): number {
    if (this.#state === "gone") return slowLookMs;
    if (this.#exit) return proofLookMs;
    return this.#pid === undefined ? startLookMs : slowLookMs;
  }
}

function openGoIfThere(directory: string): number | undefined {
  try {
    return openGo(directory);
  } catch {
    return undefined; // half a directory
  }
}

/** A shell says 128 + n of a program that signal n has ended. */
function signalOf(status: number): string | undefined {
  return Object.entries(constants.signals).find(([, number]) => number === status - 128)?.[0];
}
