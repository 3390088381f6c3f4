import { lstatSync, rmSync } from "node:fs";
import { indexPath, packedPath, packings, rotatedPath } from "../logs/log-file-names.ts";
import type { LogSettings } from "./log-file.ts";

/** One file that was set aside, in whatever forms it is there, with its index. */
export interface SetAside {
  readonly base: number;
  readonly bytes: number;
  readonly indexBytes: number;
  /** Wall clock, when its last byte was written. */
  readonly modifiedMs: number;
}

/** The size at which a file is set aside: two of them must fit into what the log may take. 0 is never. */
export function fileLimit({ rotateBytes, totalBytes }: Pick<LogSettings, "rotateBytes" | "totalBytes">): number {
  const half = Math.floor(totalBytes / 2);
  return half > 0 && (rotateBytes <= 0 || half < rotateBytes) ? half : rotateBytes;
}

/** How many of these, oldest first, are to go. Where there is a total, the present file has room in it to become as long as it may. */
export function countSurplus(files: readonly SetAside[], settings: LogSettings, nowMs: number): number {
  const { backups, maxAgeMs, totalBytes } = settings;
  const tooMany = Math.max(0, files.length - backups);
  const tooOld = maxAgeMs > 0 ? files.findLastIndex(({ modifiedMs }) => modifiedMs < nowMs - maxAgeMs) + 1 : 0;
  const tooLarge = totalBytes > 0 ? countBeyond(files, totalBytes - fileLimit(settings)) : 0;
  return Math.max(tooMany, tooOld, tooLarge);
}

/** How many of the oldest go until the others fit. */
function countBeyond(files: readonly SetAside[], room: number): number {
  let bytes = 0;
  return (
    files.findLastIndex((file) => {
      bytes += file.bytes + file.indexBytes;
      return bytes > room;
    }) + 1
  );
}

/**
 * Of which logs how many of the oldest files are to go, so that so many bytes are free: always the one that was written to longest ago, of whatever
 * log, but of one log never a newer before an older. No more than `most`.
 */
export function countOldest(logs: readonly (readonly SetAside[])[], { excess, most }: { excess: number; most: number }): number[] {
  const counts = logs.map(() => 0);
  for (let left = excess, chosen = 0; left > 0 && chosen < most; chosen++) {
    const heads = logs.map((files, i) => files[counts[i] ?? 0]?.modifiedMs ?? Number.POSITIVE_INFINITY);
    const oldest = heads.reduce((best, ms, i) => (ms < (heads[best] ?? Number.POSITIVE_INFINITY) ? i : best), 0);
    const file = logs[oldest]?.[counts[oldest] ?? 0];
    if (!file) break;
    left -= file.bytes + file.indexBytes;
    counts[oldest] = (counts[oldest] ?? 0) + 1;
  }
  return counts;
}

/** Undefined where nothing of it is there any more. */
export function describeSetAside(path: string, base: number): SetAside | undefined {
  const plain = rotatedPath(path, base);
  const files = [plain, ...packings.map((packing) => packedPath(path, base, packing))].map(lookUp).filter((stat) => stat !== undefined);
  if (files.length === 0) return undefined;
  return {
    base,
    bytes: files.reduce((sum, { size }) => sum + size, 0),
    indexBytes: lookUp(indexPath(plain))?.size ?? 0,
    modifiedMs: Math.max(...files.map(({ mtimeMs }) => mtimeMs)),
  };
}

/** Its index goes last: with it, a file that is left can be told from one that nobody knows. */
export function removeSetAside(path: string, base: number): void {
  for (const packing of packings) rmSync(packedPath(path, base, packing), { force: true });
  rmSync(rotatedPath(path, base), { force: true });
  rmSync(indexPath(rotatedPath(path, base)), { force: true });
}

function lookUp(path: string) {
  return lstatSync(path, { throwIfNoEntry: false });
}
