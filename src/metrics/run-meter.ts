import { hasMemoryController, readCgroup, readPeakMemory } from "./cgroup-usage.ts";
import { type CpuReading, cpuPercent, type ProcessTime } from "./cpu-time.ts";
import { countOpenFiles, readProcStat } from "./proc-files.ts";
import type { ProcessUsage } from "./process-usage.ts";
import type { InstanceSample, MeasuredInstance } from "./usage-sample.ts";

/** What the files say before the processes are asked one by one. */
export interface Look {
  readonly pids: readonly number[];
  readonly cpuMs?: number;
  readonly memoryBytes?: number;
}

/** Remembers of one run what the next sample needs. */
export class RunMeter {
  readonly cgroup: string | undefined;
  readonly #hasMemory: boolean;
  #before: { readonly at: number; readonly cpu: CpuReading } | undefined;
  #openFiles: number | undefined;
  #peakMemoryBytes = 0;
  /** On the monotonic clock. */
  lastSeenAt = 0;

  constructor({ cgroup }: MeasuredInstance) {
    this.cgroup = cgroup;
    this.#hasMemory = cgroup !== undefined && hasMemoryController(cgroup);
  }

  /** No sample has been taken of it. */
  get isNew(): boolean {
    return this.#before === undefined;
  }

  /** `tree` is what there is of it where it has no cgroup. Undefined when nothing of the run is left. */
  look(tree: readonly number[]): Look | undefined {
    const look = this.cgroup === undefined ? { pids: tree } : readCgroup(this.cgroup, this.#hasMemory);
    return look && look.pids.length > 0 ? look : undefined;
  }

  /** `now` is monotonic. */
  sample(measured: MeasuredInstance, look: Look, usages: ReadonlyMap<number, ProcessUsage>, now: number): InstanceSample {
    const { cpu, pids } =
      look.cpuMs === undefined ? readTree(look.pids, usages) : { cpu: { kind: "cgroup", ms: look.cpuMs } as const, pids: look.pids.length };
    const percent = this.#before && cpuPercent(this.#before.cpu, cpu, now - this.#before.at);
    this.#before = { at: now, cpu };
    const memoryBytes = look.memoryBytes ?? sumMemory(look.pids, usages);
    this.#peakMemoryBytes = Math.max(this.#peakMemoryBytes, memoryBytes);
    return {
      instance: measured.instance,
      runId: measured.runId,
      ...(percent === undefined ? {} : { cpuPercent: percent }),
      memoryBytes,
      pids,
      ...(this.#openFiles === undefined ? {} : { openFiles: this.#openFiles }),
      uptimeMs: measured.aliveMs,
      restarts: measured.restarts,
    };
  }

  /** What costs more and is looked at less often. */
  lookCloser(look: Look): void {
    this.#openFiles = countOpenFiles(look.pids);
    this.#readPeak();
  }

  /** The kernel's own record, where there is one, knows what happened between two samples. */
  get peakMemoryBytes(): number {
    this.#readPeak();
    return this.#peakMemoryBytes;
  }

  #readPeak(): void {
    if (this.cgroup !== undefined && this.#hasMemory) this.#peakMemoryBytes = Math.max(this.#peakMemoryBytes, readPeakMemory(this.cgroup));
  }
}

/** A zombie is no process any more, but its time has not been given to its parent yet. */
function readTree(pids: readonly number[], usages: ReadonlyMap<number, ProcessUsage>): { cpu: CpuReading; pids: number } {
  const processes = new Map<number, ProcessTime>();
  let zombies = 0;
  for (const pid of pids) {
    const usage = usages.get(pid);
    const stat = usage && readProcStat(pid);
    if (!stat) continue;
    processes.set(pid, { ownMs: usage.cpuMs, reapedMs: stat.reapedMs });
    if (stat.isZombie) zombies++;
  }
  return { cpu: { kind: "tree", processes }, pids: processes.size - zombies };
}

function sumMemory(pids: readonly number[], usages: ReadonlyMap<number, ProcessUsage>): number {
  return pids.reduce((sum, pid) => sum + (usages.get(pid)?.memoryBytes ?? 0), 0);
}
