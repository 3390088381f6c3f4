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
  return sum(pids.map((pid) => kibIn(read(`/proc/${pid}/smaps_rollup`), "Pss"))) / 1024;
}

/** Memory that would be free if it ended. */
export function ownMib(pid: number): number {
  const rollup = read(`/proc/${pid}/smaps_rollup`);
  return (kibIn(rollup, "Private_Clean") + kibIn(rollup, "Private_Dirty")) / 1024;
}

export function rssMib(pid: number): number {
  return kibIn(read(`/proc/${pid}/status`), "VmRSS") / 1024;
}

function kibIn(text: string, key: string): number {
  return Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0);
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
