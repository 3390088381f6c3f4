import type { EndCause, RunExit } from "../core/state.ts";
import type { ExitCause, StoredExit } from "./store.ts";

/** What the supervisor knows of it, where it ended the run. */
export interface WhyEnded {
  readonly cause?: EndCause | undefined;
  /** Why the run was unfit. */
  readonly complaint?: string | undefined;
}

/** What is kept of an end. A status above 128 is a signal: the shell cannot tell it from a program that exits with that number. */
export function exitRecord(exit: RunExit, { cause, complaint }: WhyEnded, peakMemoryBytes: number): StoredExit {
  const { status, signal, endedAt, uptimeMs } = exit;
  return {
    cause: causeOf(exit, cause),
    endedAt,
    uptimeMs,
    peakMemoryBytes,
    lastLines: [],
    message: isComplaint(cause) ? (complaint ?? "") : messageOf(exit),
    ...(signal ? { signal } : status !== undefined && { code: status }),
  };
}

function isComplaint(cause: EndCause | undefined): boolean {
  return cause === "unhealthy" || cause === "memory_limit";
}

function causeOf({ kind, signal, oomKills = 0 }: RunExit, cause: EndCause | undefined): ExitCause {
  if (kind === "spawn-failed") return cause ?? "spawn_failed";
  if (kind === "lost") return cause ?? "lost";
  if (cause) return cause;
  if (signal === "SIGKILL" && oomKills > 0) return "oom";
  return signal ? "signalled" : "exited";
}

/** A child that the kernel has taken may be why the main process gave up. */
function messageOf({ message = "", oomKills = 0 }: RunExit): string {
  if (message !== "" || oomKills === 0) return message;
  return `the kernel killed ${oomKills === 1 ? "one of its processes" : `${oomKills} of its processes`} for want of memory`;
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
    case "dependency":
      return `was stopped because what it depends on is gone (${how})`;
    case "oom":
      return `ran out of memory (${how})`;
    case "unhealthy":
      return `was unhealthy: ${message} (${how})`;
    case "memory_limit":
      return `used too much memory: ${message} (${how})`;
    case "exited":
    case "signalled":
    case "overtime":
    case "ttl":
      return how;
  }
}
