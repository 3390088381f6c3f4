import { listProcesses, type ProcStat, readProcStat, readRunId } from "./proc-files.ts";

/** The parent of the kernel's own threads, which have no environment at all. */
const kthreadd = 2;

/**
 * Finds the processes of runs that have no cgroup. A process belongs to the run in whose session it is, to that of its parent, or to the one that its
 * environment names. It is looked at once, when it is new: after that, a sample costs one listing of /proc.
 */
export class ProcessTrees {
  /** Of each process that was there at the last look its run; undefined where it has none. */
  readonly #owners = new Map<number, string | undefined>();
  /** The runs by their main processes. */
  #mains = new Map<number, string>();
  /** Those to look at again: they were executing another program, and said nothing of their run. */
  readonly #unsettled: number[] = [];

  /** Takes the main process of each run. */
  find(mains: ReadonlyMap<number, string>): Map<string, number[]> {
    const trees = new Map([...mains.values()].map((runId): [string, number[]] => [runId, []]));
    if (trees.size === 0) return trees;
    const present = listProcesses();
    this.#forget(new Set(present), mains);
    for (const pid of present) trees.get(this.#ownerOf(pid) ?? "")?.push(pid);
    for (const pid of this.#unsettled.splice(0)) this.#owners.delete(pid);
    return trees;
  }

  #forget(present: ReadonlySet<number>, mains: ReadonlyMap<number, string>): void {
    const runs = new Set(mains.values());
    const newMains = [...mains].filter(([pid, runId]) => this.#mains.get(pid) !== runId);
    for (const [pid, owner] of this.#owners) {
      // What had no run may be of one that is new.
      const isOutdated = owner === undefined ? newMains.length > 0 : !runs.has(owner);
      if (isOutdated || !present.has(pid)) this.#owners.delete(pid);
    }
    this.#mains = new Map(mains);
    if (newMains.length > 0) this.#leaveOutShims();
    for (const [pid, runId] of newMains) this.#owners.set(pid, runId);
  }

  /** The parent of a main process is ours, not the service's, though its environment names the run as well. */
  #leaveOutShims(): void {
    for (const pid of this.#mains.keys()) {
      const shim = readProcStat(pid)?.parent;
      if (shim !== undefined) this.#owners.set(shim, undefined);
    }
  }

  #ownerOf(pid: number): string | undefined {
    if (!this.#owners.has(pid)) {
      // Said before its parent is asked, for the case that pids are reused meanwhile and parents go in a circle.
      this.#owners.set(pid, undefined);
      const stat = readProcStat(pid);
      if (stat && !stat.isZombie) this.#owners.set(pid, this.#findOwner(pid, stat));
    }
    return this.#owners.get(pid);
  }

  #findOwner(pid: number, { session, parent }: ProcStat): string | undefined {
    const owner = this.#mains.get(session) ?? (parent > 1 ? this.#ownerOf(parent) : undefined);
    if (owner !== undefined) return owner;
    const runId = readRunId(pid);
    if (runId === undefined && parent !== kthreadd) this.#unsettled.push(pid);
    return runId || undefined;
  }
}
