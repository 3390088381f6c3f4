import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readKernelFile } from "../kernel-file.ts";
import { isAbsence } from "./shortage.ts";

// Membership and killing need no controller, only a cgroup2 mount that can be written to; it is looked up, because on hybrid hosts it is not
// /sys/fs/cgroup. Each run has a group of its own, below the group that pmd was in when it started: whatever a run forks is in it, and
// one write ends all of it, however fast it forks.

export type CgroupSupport = { readonly available: true; readonly root: string } | { readonly available: false; readonly reason: string };

/** Finds the place for this daemon's groups and tries it with a real process. */
export function findCgroupRoot(id: string): CgroupSupport {
  const mount = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => line.split(" - "))
    .find(([, type]) => type?.startsWith("cgroup2 "));
  if (!mount?.[0]) return { available: false, reason: "no cgroup2 mount" };
  const mountPoint = mount[0].split(" ")[4] ?? "";
  const own = /^0::(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1] ?? "/";
  const root = join(mountPoint, own, `pmd-${id}`);
  try {
    mkdirSync(root, { recursive: true });
    if (!existsSync(join(root, "cgroup.kill"))) return { available: false, reason: "the kernel has no cgroup.kill" };
    accessSync(join(root, "cgroup.procs"), constants.W_OK);
  } catch (error) {
    return { available: false, reason: `${root} cannot be used: ${(error as NodeJS.ErrnoException).code}` };
  }
  return tryJoining(root);
}

function tryJoining(root: string): CgroupSupport {
  const group = join(root, `try-${process.pid}`);
  try {
    mkdirSync(group);
    const joined = spawnSync("/bin/sh", ["-c", 'echo 0 >"$0/cgroup.procs"', group], { stdio: "ignore" });
    return joined.status === 0 ? { available: true, root } : { available: false, reason: `${group} cannot be joined` };
  } catch (error) {
    return { available: false, reason: `${group} cannot be made: ${(error as NodeJS.ErrnoException).code}` };
  } finally {
    removeCgroup(group);
  }
}

export function makeCgroup(path: string): void {
  mkdirSync(path, { recursive: true });
}

/** Its processes and those of the groups below it, without zombies; none when it does not exist. */
export function cgroupPids(path: string): number[] {
  const pids = readLines(join(path, "cgroup.procs")).map(Number);
  return [...pids, ...subgroups(path).flatMap(cgroupPids)];
}

/** The kernel's word for "something in it is alive": exact where pids may change between two looks. */
export function isPopulated(path: string): boolean {
  return readLines(join(path, "cgroup.events")).includes("populated 1");
}

/** Of its processes and those of the groups below it, over its whole life. Undefined where the memory controller is off. */
export function countOomKills(path: string): number | undefined {
  const [, count] = /^oom_kill (\d+)$/m.exec(readLines(join(path, "memory.events")).join("\n")) ?? [];
  return count === undefined ? undefined : Number(count);
}

export function killCgroup(path: string): void {
  try {
    writeFileSync(join(path, "cgroup.kill"), "1");
  } catch (error) {
    // Where it is gone, so is everything in it.
    if (!isAbsence(error)) throw error;
  }
}

/** Groups that a service made below its own go first. A group that is still populated stays. */
export function removeCgroup(path: string): void {
  for (const group of subgroups(path)) removeCgroup(group);
  removeEmptyCgroup(path);
}

/** One that has processes or groups in it stays. */
export function removeEmptyCgroup(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Busy or gone; the next pmd sweeps what is left.
  }
}

export function subgroups(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(path, entry.name));
  } catch (error) {
    if (!isAbsence(error)) throw error;
    return [];
  }
}

function readLines(path: string): string[] {
  try {
    return readKernelFile(path).split("\n").filter(Boolean);
  } catch (error) {
    if (!isAbsence(error)) throw error;
    return [];
  }
}
