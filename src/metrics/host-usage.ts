import { readFileSync } from "node:fs";
import { loadavg } from "node:os";
import type { HostSample } from "./usage-sample.ts";

/** What the whole host uses. CPU is what was used since it was read last. */
export class HostUsage {
  readonly #readFile: (path: string) => string;
  #before: HostCpuTime | undefined;

  constructor(readFile = (path: string) => readFileSync(path, "latin1")) {
    this.#readFile = readFile;
  }

  read(): HostSample {
    const cpu = parseHostCpu(this.#readFile("/proc/stat"));
    const percent = this.#before && busyPercent(this.#before, cpu);
    this.#before = cpu;
    const { usedBytes, totalBytes } = parseHostMemory(this.#readFile("/proc/meminfo"));
    const [load1 = 0, load5 = 0, load15 = 0] = loadavg();
    const sample = { cores: cpu.cores, memoryUsedBytes: usedBytes, memoryTotalBytes: totalBytes, load1, load5, load15 };
    return percent === undefined ? sample : { ...sample, cpuPercent: percent };
  }
}

export interface HostCpuTime {
  readonly cores: number;
  /** In ticks, of all cores together. */
  readonly busy: number;
  readonly total: number;
}

/** /proc/stat */
export function parseHostCpu(text: string): HostCpuTime {
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = (/^cpu +(.*)$/m.exec(text)?.[1] ?? "")
    .split(" ")
    .map(Number);
  // The time of guests, which follows, is in user and nice already.
  const busy = user + nice + system + irq + softirq + steal;
  return { cores: text.match(/^cpu\d+ /gm)?.length ?? 1, busy, total: busy + idle + iowait };
}

/** Of all cores; undefined while the clock of the kernel has not moved. The kernel lets the time of waiting for disks go backward. */
export function busyPercent(before: HostCpuTime, now: HostCpuTime): number | undefined {
  const elapsed = now.total - before.total;
  if (elapsed <= 0) return undefined;
  return Math.min(100, (Math.max(0, now.busy - before.busy) / elapsed) * 100);
}

/** /proc/meminfo */
export function parseHostMemory(text: string): { usedBytes: number; totalBytes: number } {
  const bytesOf = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB`, "m").exec(text)?.[1] ?? 0) * 1024;
  const totalBytes = bytesOf("MemTotal");
  return { usedBytes: totalBytes - bytesOf("MemAvailable"), totalBytes };
}
