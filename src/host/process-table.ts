import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import { readKernelFile } from "../kernel-file.ts";
import { isAbsence } from "./shortage.ts";

/** Of what the kernel tells programs, on every machine that Node runs on. */
const tickMs = 10;

/**
 * What /proc says of processes. Everything is read anew each time: an answer is true only for the moment. Without descriptors to
 * read with there is no answer, but an error.
 */
export interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  readonly session: number;
  /** Clock ticks since boot: with the pid, and within one boot, the identity of a process. */
  readonly startTicks: number;
}

/** Undefined for a process that does not exist, and for a zombie: it has ended, whatever kill(pid, 0) says. */
export function readStat(pid: number): ProcessStat | undefined {
  const text = readProc(pid, "stat");
  if (text === undefined) return undefined;
  // The second field is the program's name in parentheses and may hold anything, parentheses and spaces too.
  const [state, parent, , session, ...rest] = text.slice(text.lastIndexOf(")") + 2).split(" ");
  if (state === "Z" || state === "X") return undefined;
  return { pid, parent: Number(parent), session: Number(session), startTicks: Number(rest[15]) };
}

/**
 * For how long it has been there. The kernel counts the ticks of all from the same moment, and this process knows its own age; neither is moved
 * when the clock is set.
 */
export function ageMs({ startTicks }: ProcessStat): number {
  const own = readStat(process.pid)?.startTicks ?? startTicks;
  return Math.max(0, (own - startTicks) * tickMs + performance.now());
}

export function listPids(): number[] {
  return readdirSync("/proc")
    .filter((name) => name.charCodeAt(0) <= 57 && name.charCodeAt(0) >= 48)
    .map(Number);
}

/** Its working directory, as long as it is alive. */
export function readWorkingDirectory(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined; // gone, or somebody else's
  }
}

/** It is a shell that runs shim.sh, under whatever name it was installed. */
export function runsShim(pid: number): boolean {
  return /^[^\0]*sh\0[^\0]*\/shim-[0-9a-f]+\.sh\0/.test(readProc(pid, "cmdline") ?? "");
}

/** The environment it was started with holds this line. */
export function hasEnvironmentLine(pid: number, line: string): boolean {
  const environment = readProc(pid, "environ");
  return environment !== undefined && (environment.startsWith(`${line}\0`) || environment.includes(`\0${line}\0`));
}

/** The environment it was started with has a variable of this name. */
export function hasEnvironmentVariable(pid: number, name: string): boolean {
  const environment = readProc(pid, "environ");
  return environment !== undefined && (environment.startsWith(`${name}=`) || environment.includes(`\0${name}=`));
}

/** It can write to one of these files. */
export function holdsForWriting(pid: number, paths: readonly string[]): boolean {
  let descriptors: string[];
  try {
    descriptors = readdirSync(`/proc/${pid}/fd`);
  } catch (error) {
    if (!isAbsence(error)) throw error;
    return false;
  }
  return descriptors.some((descriptor) => {
    try {
      if (!paths.includes(readlinkSync(`/proc/${pid}/fd/${descriptor}`))) return false;
      const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, "latin1"))?.[1] ?? "0";
      return (Number.parseInt(flags, 8) & 3) !== 0;
    } catch (error) {
      // Closed meanwhile.
      if (!isAbsence(error)) throw error;
      return false;
    }
  });
}

/** The program that it executes. What it calls itself may be the name of a thread. */
export function readProgramName(pid: number): string {
  try {
    return basename(readlinkSync(`/proc/${pid}/exe`));
  } catch {
    return readProc(pid, "comm")?.trim() || "a process that has ended"; // somebody else's, or gone
  }
}

export function readBootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
}

function readProc(pid: number, file: string): string | undefined {
  try {
    return readKernelFile(`/proc/${pid}/${file}`);
  } catch (error) {
    if (!isAbsence(error)) throw error;
    return undefined;
  }
}
