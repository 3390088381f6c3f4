import { existsSync, readFileSync, rmSync } from "node:fs";
import { eventually } from "./eventually.ts";

export interface LoopDelay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** With these variables a Node writes into this file how late its event loop is, whenever it is asked to. */
export function loopProbe(file: string): Record<string, string> {
  return { NODE_OPTIONS: `--import ${import.meta.resolve("./loop-probe.mjs")}`, LOOP_PROBE_FILE: file };
}

/** In milliseconds, since it was asked the last time. */
export async function readLoopDelay(pid: number, file: string): Promise<LoopDelay> {
  rmSync(file, { force: true });
  process.kill(pid, "SIGUSR2");
  await eventually(() => existsSync(file));
  return JSON.parse(readFileSync(file, "utf8"));
}
