import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { basename } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { CommandLimits, CommandOutcome } from "../supervisor/host.ts";
import { isPopulated, killCgroup, removeEmptyCgroup, subgroups } from "./cgroup.ts";
import { hasEnvironmentLine, hasEnvironmentVariable, listPids, readStat } from "./process-table.ts";
import { type RunTree, sendKill } from "./run-tree.ts";
import { tryToSee } from "./shortage.ts";

// A command that asks a run something. It is one of the run's processes, so that a stop ends it too, and yet can be ended alone, with all
// that it has started: it has a cgroup of its own below the run's. Where there are no cgroups, its processes are known by its session and by a
// variable that only they have. A pmd that is killed leaves a probe behind; the next one ends it when it takes over the run.

export const probeVariable = "PM_PROBE_ID";

/** What is being killed is looked at again after this, and not for ever: it may hang in a disk. */
const proofLookMs = 10;
const mostLooks = 100;
const lastWordsMs = 100;

export interface ProbeCommand extends CommandLimits {
  readonly argv: readonly string[];
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Its own, which is made and removed here; empty where there are none. */
  readonly cgroup: string;
  /** The value of the variable by which its processes are known. */
  readonly name: string;
}

export function newProbeName(): string {
  return `probe-${randomBytes(8).toString("hex")}`;
}

/** Everything that the command has started is gone when this resolves. */
export async function runProbe(command: ProbeCommand): Promise<CommandOutcome> {
  const { argv, directory, environment, cgroup, signal, outputBytes } = command;
  // Without its run there is no place for it, and none is made.
  if (cgroup !== "") mkdirSync(cgroup);
  const script = '[ -z "$1" ] || echo 0 >"$1/cgroup.procs" || exit; shift; exec "$@"';
  const child: ChildProcess = spawn("/bin/sh", ["-c", script, "sh", cgroup, ...argv], {
    cwd: directory,
    env: { ...environment },
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = endOf(child);
  const closed = new Promise((resolve) => child.once("close", resolve));
  const output = collect([child.stdout, child.stderr], outputBytes);
  const aborted = Promise.withResolvers<undefined>();
  const abort = () => aborted.resolve(undefined);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    const end = await Promise.race([ended, aborted.promise]);
    await endTree(command, child);
    // What it has written may still be on its way.
    await Promise.race([closed, sleep(lastWordsMs)]);
    return { ...(end ?? { end: "aborted", code: 0, signal: "" }), output: output() };
  } finally {
    signal.removeEventListener("abort", abort);
    child.stdout?.destroy();
    child.stderr?.destroy();
    if (cgroup !== "") removeEmptyCgroup(cgroup);
  }
}

/** Of probes that an earlier pmd has begun nobody waits for the answer. */
export function endOldProbes({ cgroup, runId }: RunTree): void {
  if (cgroup !== "") {
    for (const group of subgroups(cgroup).filter((path) => /^probe-[0-9a-f]{16}$/.test(basename(path)))) {
      killCgroup(group);
      removeEmptyCgroup(group);
    }
    return;
  }
  for (const pid of listPids()) {
    if (hasEnvironmentLine(pid, `PM_RUN_ID=${runId}`) && hasEnvironmentVariable(pid, probeVariable)) sendKill(pid);
  }
}

type End = Pick<CommandOutcome, "code" | "signal"> & { readonly end: "exited" | "killed" };

function endOf(child: ChildProcess): Promise<End> {
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.once("exit", (code, signal) => resolve({ end: signal ? "killed" : "exited", code: code ?? 0, signal: signal ?? "" }));
  });
}

/** Resolves when nothing of it is left, or when it does not end however it is killed. */
async function endTree(command: ProbeCommand, child: ChildProcess): Promise<void> {
  for (let looks = 0; looks < mostLooks; looks++) {
    // Without descriptors to look with it is looked again.
    const isOver = tryToSee(() => killWhatIsLeft(command, child));
    if (isOver) return;
    await sleep(proofLookMs);
  }
}

/** True when there was nothing. */
function killWhatIsLeft({ cgroup, name }: ProbeCommand, child: ChildProcess): boolean {
  const isAlive = isRunning(child);
  // It may not have come so far as to join its cgroup.
  if (isAlive) child.kill("SIGKILL");
  if (cgroup !== "") {
    if (!isPopulated(cgroup)) return !isAlive;
    killCgroup(cgroup);
    return false;
  }
  // The number of a session is nobody else's while its leader is here, or while there is none.
  const ownsSession = child.pid !== undefined && (isAlive || readStat(child.pid) === undefined);
  const isOwn = (pid: number) => hasEnvironmentLine(pid, `${probeVariable}=${name}`) || (ownsSession && readStat(pid)?.session === child.pid);
  const pids = listPids().filter(isOwn);
  for (const pid of pids) sendKill(pid);
  return pids.length === 0 && !isAlive;
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

/** The first bytes of all; the rest is read and dropped, so that nobody blocks. */
function collect(streams: readonly (Readable | null)[], most: number): () => string {
  const chunks: Buffer[] = [];
  let left = most;
  for (const stream of streams) {
    stream?.on("error", () => undefined); // it is destroyed while it is read
    stream?.on("data", (chunk: Buffer) => {
      if (left > 0) chunks.push(chunk.subarray(0, left));
      left -= Math.min(left, chunk.length);
    });
  }
  return () => Buffer.concat(chunks).toString("utf8");
}
