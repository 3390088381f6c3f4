import { spawn } from "node:child_process";

/** In its own session and without our descriptors: it outlives us. Whether it came up is seen by its lock, not by this process. */
export function startPump(command: readonly [string, ...string[]], runtimeDir: string): void {
  const [program, ...args] = command;
  const pump = spawn(program, [...args, "--runtime-dir", runtimeDir], { cwd: "/", detached: true, stdio: "ignore", env: {} });
  pump.on("error", () => undefined); // no program, or no process to be had: the keeper finds nobody and starts it again
  pump.unref();
}
