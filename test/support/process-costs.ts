import { readdirSync, readFileSync } from "node:fs";

/** Processes whose command line has this text in it. */
export function findByCommand(text: string): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid && read(`/proc/${pid}/cmdline`).includes(text));
}

/** User and system time of all their threads, to the nanosecond. */
export function cpuMs(pids: readonly number[]): number {
  const threads = pids.flatMap((pid) => list(`/proc/${pid}/task`).map((thread) => `/proc/${pid}/task/${thread}/schedstat`));
  return sum(threads.map((path) => Number(read(path).split(" ")[0]) / 1e6));
}

/** Memory with what is shared counted in parts. */
export function pssMib(pids: readonly number[]): number {
  return sum(pids.map((pid) => Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0))) / 1024;
}

export function rssMib(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) / 1024;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return ""; // it has ended
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return []; // it has ended
  }
}
