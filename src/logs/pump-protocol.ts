import { createHash } from "node:crypto";
import { join } from "node:path";
import type { LogSettings } from "../core/spec.ts";

// How pmd and the pump find and talk to each other. The pump listens on a socket in the abstract namespace, named for the runtime directory, its
// real path and not a link to it, and for its user. The kernel frees the name when the pump dies, however it dies: the name is the lock, and can
// never be stale. A visitor says one line: `status` is answered with one line of JSON; `hold` the same, and the connection stays until one
// of the two is gone, so that pmd learns of the pump's death at once. Whoever can reach the socket learns numbers and can change nothing:
//
// What changes something comes as a file, in a directory that only their user can write: `pump/requests/<id>.json`, published by rename, is
// answered by `<id>.done`, published by rename, and removed.

export function pumpSocketPath(realRuntimeDir: string, uid: number): string {
  const hash = createHash("sha256").update(realRuntimeDir).digest("hex").slice(0, 16);
  return `\0pmd-pump-${hash}-${uid}`;
}

export function requestsDir(runtimeDir: string): string {
  return join(runtimeDir, "pump", "requests");
}

export interface PumpStatus {
  readonly pid: number;
  readonly version: string;
  /** Runs whose output it reads. */
  readonly runs: number;
  /** Written since it was started. */
  readonly bytes: number;
  /** Dropped since it was started, because a disk did not take them. */
  readonly dropped: number;
  /** For how long logs have kept their services waiting since it was started, together. */
  readonly blockedMs: number;
  /** The limit that it has been given for all logs together; 0 is none. A pump that knows no such thing does not say it. */
  readonly logTotalBytes?: number;
}

/** Of one log, since the pump was started. */
export interface LogCounters {
  readonly writtenBytes: number;
  readonly droppedBytes: number;
  readonly blockedMs: number;
}

/** The settings are for files that the pump does not have open. */
export interface LogFileOrder {
  readonly path: string;
  readonly settings: LogSettings;
}

/** What all logs together may take. */
export interface LogTotalLimit {
  /** 0 is without a limit. */
  readonly bytes: number;
  /** Logs at their places below this count also where nothing is written. */
  readonly logDir: string;
}

export type PumpRequest =
  | { readonly op: "rotate"; readonly files: readonly LogFileOrder[] }
  | { readonly op: "purge"; readonly files: readonly LogFileOrder[]; readonly rotatedOnly: boolean }
  | { readonly op: "count"; readonly paths: readonly string[] }
  | { readonly op: "limit-total"; readonly limit: LogTotalLimit }
  | { readonly op: "exit" };

export type PumpAnswer = PumpResult | { readonly error: string };

export interface PumpResult {
  /** The files that were set aside. */
  readonly paths: readonly string[];
  readonly freedBytes: number;
  /** By path, where they were asked for. */
  readonly counters?: Readonly<Record<string, LogCounters>>;
}
