import { join } from "node:path";
import { cgroupPids, isPopulated, killCgroup } from "./cgroup.ts";
import { hasEnvironmentLine, holdsForWriting, listPids, readStat, readWorkingDirectory, runsShim } from "./process-table.ts";

const mostLooks = 200;
const lookMs = 5;

/** What is needed to find every process of a run. */
export interface RunTree {
  readonly runId: string;
  readonly directory: string;
  /** Empty where there is none. */
  readonly cgroup: string;
  readonly pid: number | undefined;
  readonly shim: number | undefined;
}

/**
 * Every process of the run that is alive, but for its shim. With a cgroup that is what the kernel says; without one it is the run's session,
 * whatever can write to its FIFOs, and whatever carries its id in the environment it was started with.
 */
export function treePids(tree: RunTree): number[] {
  if (tree.cgroup !== "") return cgroupPids(tree.cgroup);
  const fifos = [join(tree.directory, "out"), join(tree.directory, "err")];
  const mark = `PM_RUN_ID=${tree.runId}`;
  const ownsSession = hasOwnSession(tree);
  return listPids().filter((pid) => {
    if (pid === tree.shim || pid === process.pid) return false;
    const stat = readStat(pid);
    if (!stat) return false;
    // The shim's own helper, between two tries; or the service, where somebody has damaged what the shim wrote of it.
    if (stat.parent === tree.shim && pid !== tree.pid) return hasEnvironmentLine(pid, mark);
    return (ownsSession && stat.session === tree.pid) || hasEnvironmentLine(pid, mark) || holdsForWriting(pid, fifos);
  });
}

/**
 * The session that is called like the main process is the run's. Where its leader is alive, that must be proven: the number may be another's by now, and so
 * is the session then. As long as one of a session is alive, the kernel gives its number to nobody.
 */
function hasOwnSession({ pid, shim, runId, directory }: RunTree): boolean {
  if (pid === undefined) return false;
  const leader = readStat(pid);
  if (!leader) return true;
  if (shim !== undefined && leader.parent === shim && isShim(shim, directory)) return true;
  return hasEnvironmentLine(pid, `PM_RUN_ID=${runId}`) || holdsForWriting(pid, [join(directory, "out"), join(directory, "err")]);
}

/**
 * Ends what lives of a run of which only the name is known, its shim too, and returns when it is gone. A shim that stands there can be told from
 * a person's shell by what it runs.
 */
export function endRemains({ runId, directory }: Pick<RunTree, "runId" | "directory">): void {
  const tree = { runId, directory, cgroup: "", pid: undefined, shim: undefined };
  const remains = () => [...treePids(tree), ...listPids().filter((pid) => isShim(pid, directory) && runsShim(pid))];
  waitUntil(() => {
    const pids = remains();
    for (const pid of pids) sendKill(pid);
    return pids.length === 0;
  });
}

/** Of what was killed, the kernel needs a moment to take leave. It may also hang in a disk: then nobody waits any longer. */
export function waitUntil(isSo: () => boolean): void {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  for (let looks = 0; looks < mostLooks && !isSo(); looks++) Atomics.wait(cell, 0, 0, lookMs);
}

export function sendKill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended between the look and the signal.
  }
}

export function isTreeEmpty(tree: RunTree): boolean {
  return tree.cgroup !== "" ? !isPopulated(tree.cgroup) : treePids(tree).length === 0;
}

export function killTree(tree: RunTree): void {
  if (tree.cgroup !== "") return killCgroup(tree.cgroup);
  for (const pid of treePids(tree)) sendKill(pid);
}

/** The pid is a process of this run, and not another that got its number. */
export function isMember(tree: RunTree, pid: number): boolean {
  const stat = readStat(pid);
  if (!stat) return false;
  if (tree.cgroup !== "" && cgroupPids(tree.cgroup).includes(pid)) return true;
  if (tree.shim !== undefined && stat.parent === tree.shim && isShim(tree.shim, tree.directory)) return true;
  return tree.cgroup === "" && hasEnvironmentLine(pid, `PM_RUN_ID=${tree.runId}`);
}

/** A shim stands in its run directory as long as it lives, whatever the directory is called. */
export function isShim(pid: number, directory: string): boolean {
  return readStat(pid) !== undefined && readWorkingDirectory(pid) === directory;
}

/** Its shim may be on its way to its first word. */
export function standsAnybodyIn(directory: string): boolean {
  return listPids().some((pid) => isShim(pid, directory));
}
