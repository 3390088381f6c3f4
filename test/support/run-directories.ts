import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

/** A run as its directory shows it to anybody: with what of it is proven to be alive. */
export interface RunDirectory {
  readonly run: string;
  readonly directory: string;
  readonly service: string;
  readonly index: number;
  /** Undefined when it has ended. */
  readonly shim: number | undefined;
  readonly pid: number | undefined;
}

export function listRunDirectories(runtimeDir: string): RunDirectory[] {
  return readdirSync(join(runtimeDir, "runs")).flatMap((run) => {
    const directory = join(runtimeDir, "runs", run);
    try {
      const { service, index } = JSON.parse(readFileSync(join(directory, "spec.json"), "utf8")) as { service: string; index: number };
      const shim = readPid(join(directory, "shim"));
      const pid = readPid(join(directory, "pid"));
      return [
        {
          run,
          directory,
          service,
          index,
          shim: shim !== undefined && standsIn(shim, directory) ? shim : undefined,
          pid: pid !== undefined && belongsToRun(pid, run) ? pid : undefined,
        },
      ];
    } catch {
      return []; // it has gone meanwhile
    }
  });
}

/** Every process that was started with this variable, but for zombies. */
export function processesWith(variable: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => environmentOf(pid).some((line) => line === variable || line.startsWith(`${variable}=`)));
}

export function belongsToRun(pid: number, run: string): boolean {
  return environmentOf(pid).includes(`PM_RUN_ID=${run}`);
}

function environmentOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0");
  } catch {
    return []; // it has ended
  }
}

function readPid(path: string): number | undefined {
  try {
    const text = readFileSync(path, "latin1");
    return /^\d+\n$/.test(text) ? Number(text) : undefined;
  } catch {
    return undefined; // not written yet
  }
}

function standsIn(pid: number, directory: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === directory;
  } catch {
    return false; // it has ended
  }
}
