/** CPU time used so far: by a whole cgroup, or by each process of a tree. */
export type CpuReading =
  | { readonly kind: "cgroup"; readonly ms: number }
  | { readonly kind: "tree"; readonly processes: ReadonlyMap<number, ProcessTime> };

export interface ProcessTime {
  readonly ownMs: number;
  /** Of its children that have ended and that it has waited for, and of theirs. */
  readonly reapedMs: number;
}

/** Of one core; undefined where the two say nothing together. */
export function cpuPercent(before: CpuReading, now: CpuReading, elapsedMs: number): number | undefined {
  if (elapsedMs <= 0) return undefined;
  if (before.kind === "cgroup" && now.kind === "cgroup") return (Math.max(0, now.ms - before.ms) / elapsedMs) * 100;
  if (before.kind === "tree" && now.kind === "tree") return (spentByTree(before.processes, now.processes) / elapsedMs) * 100;
  return undefined;
}

/**
 * The time of a process that has ended goes on in its parent's, if the parent has waited for it. If not, it is lost, and with it what was
 * counted before: the sum goes backward. What those that are alive have used themselves is spent in any case.
 */
function spentByTree(before: ReadonlyMap<number, ProcessTime>, now: ReadonlyMap<number, ProcessTime>): number {
  const inAll = sumOf(now) - sumOf(before);
  let byTheLiving = 0;
  for (const [pid, time] of now) byTheLiving += Math.max(0, time.ownMs - (before.get(pid)?.ownMs ?? 0));
  return Math.max(inAll, byTheLiving);
}

function sumOf(processes: ReadonlyMap<number, ProcessTime>): number {
  let sum = 0;
  for (const { ownMs, reapedMs } of processes.values()) sum += ownMs + reapedMs;
  return sum;
}
