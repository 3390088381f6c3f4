import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { leanFlags } from "./lean-flags.ts";

/** Run from source the pump is source too, and Node strips its types by what --lite-mode does without; published, it is a bundle beside this one. */
const isSource = import.meta.url.endsWith(".ts");
const program = fileURLToPath(new URL(isSource ? "../pump/main.ts" : "./pm-pump.js", import.meta.url));

/** It is nobody's child for long: pmd may go, and the pump stays. */
export function startPump(runtimeDir: string, version: string, failed: (error: Error) => void): void {
  const pump = spawn(process.execPath, [...(isSource ? [] : leanFlags), program, "--runtime-dir", runtimeDir, "--version", version], {
    cwd: "/",
    detached: true,
    stdio: "ignore",
    // Midnight is what it is for pmd.
    env: process.env.TZ === undefined ? {} : { TZ: process.env.TZ },
  });
  pump.once("error", failed);
  pump.unref();
}
