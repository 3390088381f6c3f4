import type { GapReason as IndexedReason } from "./index-format.ts";

/** Why something is missing: as the pump has noted it, or a compressed file is damaged. */
export type GapReason = IndexedReason | "damaged";

/** Where the lines of one stream of one instance are. */
export interface LogStreamRef {
  /** In full: `default/web#0`. */
  readonly instance: string;
  readonly stream: "stdout" | "stderr";
  /** The file that is being written. */
  readonly path: string;
}

export interface LogEntry {
  readonly instance: string;
  readonly stream: "stdout" | "stderr";
  /** When its first byte was read. */
  readonly timeMs: number;
  /** Without its newline. */
  readonly bytes: Buffer;
  /** It goes on in the next entry of this source and run: it is longer than the limit, or its newline has not been written. */
  readonly partial: boolean;
  readonly runId: string;
}

export interface LogGap {
  readonly instance: string;
  readonly stream: "stdout" | "stderr";
  readonly reason: GapReason;
  /** 0 when nobody can know. */
  readonly bytes: number;
  readonly timeMs: number;
}

/** What has been read of a stream. */
export interface Place {
  readonly epoch: number;
  readonly position: number;
}

export const lineLimit = 64 * 1024;

/** One file is one source, whoever writes to it: read twice it would be shown twice. */
export function uniqueSources(sources: readonly LogStreamRef[]): LogStreamRef[] {
  const paths = new Set<string>();
  return sources.filter(({ path }) => !paths.has(path) && paths.add(path));
}

export function sourceKey({ instance, stream }: Pick<LogStreamRef, "instance" | "stream">): string {
  return `${instance} ${stream}`;
}
