import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { readFile } from "./proc-files.ts";

// The CPU time is there without any controller; the memory only where its controller is on.

export interface CgroupUsage {
  readonly cpuMs: number;
  readonly memoryBytes?: number;
  readonly pids: readonly number[];
}

/** Undefined when it is gone, or no cgroup of version 2. */
export function readCgroup(path: string, hasMemory: boolean): CgroupUsage | undefined {
  const cpu = /^usage_usec (\d+)/.exec(readFile(`${path}/cpu.stat`) ?? "")?.[1];
  if (cpu === undefined) return undefined;
  const memory = hasMemory ? readFile(`${path}/memory.current`) : undefined;
  const usage = { cpuMs: Number(cpu) / 1000, pids: readPids(path) };
  return memory === undefined ? usage : { ...usage, memoryBytes: Number(memory) };
}

export function hasMemoryController(path: string): boolean {
  return existsSync(join(path, "memory.current"));
}

/** The most that it had at one time; 0 where the kernel does not say. */
export function readPeakMemory(path: string): number {
  return Number(readFile(join(path, "memory.peak")) ?? 0);
}

/** With those of the groups that a service has made below its own. */
function readPids(path: string): number[] {
  const pids = (readFile(`${path}/cgroup.procs`) ?? "").split("\n").filter(Boolean).map(Number);
  const hasGroups = /^nr_descendants [1-9]/.test(readFile(`${path}/cgroup.stat`) ?? "");
  return hasGroups ? [...pids, ...subgroups(path).flatMap(readPids)] : pids;
}

function subgroups(path: string): string[] {
  try {
    const entries = readdirSync(path, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(path, name));
  } catch {
    return []; // gone
  }
}
