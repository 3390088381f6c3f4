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

/** In words, as in "web#0 exited with code 3". */
export function describeExit({ cause, code, signal, message }: StoredExit): string {
  const how = signal ? `was ended by ${signal}` : code !== undefined ? `exited with code ${code}` : "ended, nobody knows how";
  switch (cause) {
    case "spawn_failed":
      return `could not be started: ${message}`;
    case "stopped_by_request":
      return `was stopped (${how})`;
    case "replaced":
      return `was replaced (${how})`;
    case "start_timeout":
      return `was not up in time (${how})`;
    case "lost":
      return `was lost: ${message}`;
    case "exited":
    case "signalled":
    case "unhealthy":
    case "memory_limit":
    case "oom":
    case "overtime":
    case "ttl":
    case "dependency":
      return how;
  }
}
