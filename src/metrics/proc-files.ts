import { readdirSync, statSync } from "node:fs";
import { readKernelFile } from "../kernel-file.ts";

/** What pidusage does not tell of a process. */
export interface ProcStat {
  readonly parent: number;
  readonly session: number;
  readonly isZombie: boolean;
  readonly reapedMs: number;
}

// USER_HZ: the kernel translates its own ticks to it, and it is 100 wherever Node runs on Linux.
const msPerTick = 10;

/** Undefined when there is no such process. */
export function readProcStat(pid: number): ProcStat | undefined {
  const text = readFile(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The second field is the name of the program in parentheses and may hold anything, parentheses and spaces too.
  const [state, parent, , session, ...rest] = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { parent: Number(parent), session: Number(session), isZombie: state === "Z", reapedMs: (Number(rest[9]) + Number(rest[10])) * msPerTick };
}

export function listProcesses(): number[] {
  return readdirSync("/proc").map(Number).filter(Number.isInteger);
}

/** The run that its environment names; empty when it names none, or may not be read. Undefined while it executes another program. */
export function readRunId(pid: number): string | undefined {
  const environment = readFile(`/proc/${pid}/environ`);
  if (environment === "") return undefined;
  return /(?:^|\0)PM_RUN_ID=([^\0]*)/.exec(environment ?? "")?.[1] ?? "";
}

/** Undefined when one of them may not be read. */
export function countOpenFiles(pids: readonly number[]): number | undefined {
  let count = 0;
  for (const pid of pids) {
    try {
      count += openFilesOf(pid);
    } catch (error) {
      if (!hasEnded(error)) return undefined;
    }
  }
  return count;
}

// Since Linux 6.2 the size of the directory is the number of its entries; before, it is 0 and they have to be listed.
function openFilesOf(pid: number): number {
  const directory = `/proc/${pid}/fd`;
  return statSync(directory).size || readdirSync(directory).length;
}

function hasEnded(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ESRCH";
}

/** Undefined when it is not there or may not be read. */
export function readFile(path: string): string | undefined {
  try {
    return readKernelFile(path);
  } catch {
    return undefined; // a process may end, and its cgroup go, between any two looks
  }
}
