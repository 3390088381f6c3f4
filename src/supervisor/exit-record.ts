import type { EndCause, RunExit } from "../core/state.ts";
import type { ExitCause, StoredExit } from "./store.ts";

/** What is kept of an end. A status above 128 is a signal: the shell cannot tell it from a program that exits with that number. */
export function exitRecord(exit: RunExit, cause: EndCause | undefined, peakMemoryBytes: number): StoredExit {
  const { kind, status, signal, endedAt, uptimeMs, message = "" } = exit;
  return {
    cause: causeOf(kind, cause, signal),
    endedAt,
    uptimeMs,
    peakMemoryBytes,
    lastLines: [],
    message,
    ...(signal ? { signal } : status !== undefined && { code: status }),
  };
}

function causeOf(kind: RunExit["kind"], cause: EndCause | undefined, signal: string | undefined): ExitCause {
  if (kind === "spawn-failed") return cause ?? "spawn_failed";
  if (kind === "lost") return cause ?? "lost";
  return cause ?? (signal ? "signalled" : "exited");
}
