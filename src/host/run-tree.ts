import { join } from "node:path";
import { cgroupPids, isPopulated, killCgroup } from "./cgroup.ts";
import { hasEnvironmentLine, holdsForWriting, listPids, readStat, readWorkingDirectory } from "./process-table.ts";

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
  return listPids().filter((pid) => {
    if (pid === tree.shim || pid === process.pid) return false;
    const stat = readStat(pid);
    if (!stat) return false;
    if (stat.parent === tree.shim && pid !== tree.pid) return false; // the shim's own helper, between two tries
    return (tree.pid !== undefined && stat.session === tree.pid) || hasEnvironmentLine(pid, mark) || holdsForWriting(pid, fifos);
  });
}

export function isTreeEmpty(tree: RunTree): boolean {
  return tree.cgroup !== "" ? !isPopulated(tree.cgroup) : treePids(tree).length === 0;
}

export function killTree(tree: RunTree): void {
  if (tree.cgroup !== "") return killCgroup(tree.cgroup);
  for (const pid of treePids(tree)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It ended between the look and the signal.
    }
  }
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
