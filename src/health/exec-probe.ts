import { type Command, commandArgv } from "../core/spec.ts";
import type { ProbedRun } from "../supervisor/prober.ts";
import { outputBytes } from "./output.ts";
import type { Finding } from "./system-prober.ts";

/** Success is the exit code 0. */
export async function probeCommand(command: Command, { live, process }: ProbedRun, signal: AbortSignal): Promise<Finding> {
  const { end, code, signal: killedBy, output } = await live.runProbe(commandArgv(command), process, { signal, outputBytes });
  switch (end) {
    case "exited":
      return { ok: code === 0, reason: `exit code ${code}`, output };
    case "killed":
      return { ok: false, reason: `ended by ${killedBy}`, output };
    case "aborted":
      return { ok: false, reason: "no answer", output };
  }
}
