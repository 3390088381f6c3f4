import { closeSync, openSync } from "node:fs";
import pidusage from "pidusage";
import history from "pidusage/lib/history.js";

export interface ProcessUsage {
  /** User and system time since it started. */
  readonly cpuMs: number;
  readonly memoryBytes: number;
}

// Set here, because pidusage would take both from the environment, and with a maxage of 0 it never answers.
const options = { usePs: false, maxage: 60_000 };

/**
 * The one owner of pidusage. Its percentages are not used: the first is always 0, and two callers would take them from each other. It reads each pid
 * through a descriptor that it keeps, loses when the process ends before its first reading, and forgets without closing in `clear`. So the
 * descriptors are opened and closed here, and laid where it looks for them.
 */
export class ProcessUsageReader {
  readonly #held = new Set<number>();

  /** Those that are alive. One call at a time. */
  async read(pids: readonly number[]): Promise<Map<number, ProcessUsage>> {
    const wanted = new Set(pids);
    for (const pid of this.#held) if (!wanted.has(pid)) this.#release(pid);
    for (const pid of wanted) this.#hold(pid);
    const stats = await readAlive([...this.#held]);
    const usages = new Map<number, ProcessUsage>();
    for (const pid of this.#held) {
      const stat = stats[pid];
      if (stat) usages.set(pid, { cpuMs: stat.ctime, memoryBytes: stat.memory });
      // The descriptor is of a process that has ended. Another may get its pid.
      else this.#release(pid);
    }
    return usages;
  }

  close(): void {
    for (const pid of this.#held) this.#release(pid);
    pidusage.clear();
  }

  #hold(pid: number): void {
    // It forgets a pid that it was not asked about for `maxage`, and closes its descriptor.
    if (this.#held.has(pid) && history.get(pid, options.maxage)) return;
    try {
      history.set(pid, { fd: openSync(`/proc/${pid}/stat`, "r") }, options.maxage, () => {});
      this.#held.add(pid);
    } catch {
      this.#held.delete(pid); // it has ended
    }
  }

  #release(pid: number): void {
    this.#held.delete(pid);
    const fd = history.get(pid, options.maxage)?.fd;
    if (fd === undefined) return;
    closeSync(fd);
    history.set(pid, {}, 1, () => {});
  }
}

async function readAlive(pids: number[]): Promise<Record<number, pidusage.Status | undefined>> {
  if (pids.length === 0) return {};
  try {
    return await pidusage(pids, options);
  } catch {
    return {}; // the only one has ended; one of many would just be missing
  }
}
