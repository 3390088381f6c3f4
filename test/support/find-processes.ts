import { readdirSync, readFileSync, readlinkSync } from "node:fs";

export interface FoundProcess {
  readonly pid: number;
  readonly command: string;
}

/** Every process, but for this one, that has one of the marks in its command line, its environment, its directory, its open files or its cgroup. */
export function findProcesses(marks: readonly string[]): FoundProcess[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid && !isZombie(name));
  return pids.flatMap((pid) => {
    const command = read(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
    const traces = [command, read(`/proc/${pid}/environ`), link(`/proc/${pid}/cwd`), read(`/proc/${pid}/cgroup`), ...openFiles(pid)];
    return marks.some((mark) => traces.some((trace) => trace.includes(mark))) ? [{ pid: Number(pid), command }] : [];
  });
}

/** Where PID 1 reaps late, what was killed stays in the table for a while: it is dead all the same. */
function isZombie(pid: string): boolean {
  return /^State:\s+[ZX]/m.test(read(`/proc/${pid}/status`));
}

// What cannot be read belongs to a process that has just ended, or to somebody else.

function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

function openFiles(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => link(`/proc/${pid}/fd/${fd}`));
  } catch {
    return [];
  }
}
