import { fstatSync, lstatSync, renameSync, rmSync, type Stats, writeSync } from "node:fs";
import { devNull } from "node:os";
import { dirname, join } from "node:path";
import { failpoint } from "../failpoint.ts";
import { isShortage } from "../host/shortage.ts";
import { indexPath, type Packing, rotatedPath } from "../logs/log-file-names.ts";
import type { LogFileOrder } from "../logs/pump-protocol.ts";
import { IndexWriter } from "./index-writer.ts";
import { endOfInterval } from "./interval.ts";
import { LogDirectory } from "./log-directory.ts";
import { closeLog, listRotated, type OpenedLog, type OpenLog, openLog, rejoinLog } from "./open-log.ts";
import type { PackOrder } from "./packer.ts";
import { countSurplus, describeSetAside, fileLimit, removeSetAside } from "./retention.ts";
import { bytesBeforeRotation, newline } from "./rotation.ts";

// One log and its index, written by nobody else. Every chunk is with the kernel when append returns; nothing waits in memory, so what a kill of
// the pump can cost is the chunk between its read and its write. No error leaves this file: where the disk does not take the bytes they are
// dropped and counted, the services go on, and when it takes them again the index says how many are missing. The bytes after such a gap begin
// at a line where there is one in the chunk. Or, where that was asked for, they stay with the caller, and the services wait.
//
// Before every write the file is asked whether somebody has cut or removed it, and once a second whether it still has its name: bytes for a file that
// nobody can find would be lost without a word, and readers must learn of a cut before bytes stand where others stood.

export type LogSettings = LogFileOrder["settings"];

const lookAtNameMs = 1000;
/** Until the next try to write, doubled each time. */
const leastPauseMs = 50;
const mostPauseMs = 1000;
const retryOpenMs = 1000;
/** A line that has not ended by then is cut by the clock. */
const lineEndMs = 200;
const upkeepMs = 60_000;
const packingOf = { none: undefined, zstd: "zst", gzip: "gz" } as const satisfies Record<LogSettings["compress"], Packing | undefined>;

export class LogFile {
  readonly path: string;
  #settings: LogSettings;
  /** Bytes that the disk did not take, since this pump has the file. */
  droppedBytes = 0;
  /** Bytes that it did take. */
  writtenBytes = 0;
  #log: OpenLog | undefined;
  /** Position after the last byte that was written, kept while the file is not open. */
  #end = 0;
  #epoch: number | undefined;
  #lookedAtName = 0;
  #retryAt = 0;
  /** The last opening failed for want of descriptors. */
  #shortage = false;
  #pauseMs = leastPauseMs;
  #rotateNotBefore = 0;
  #upkeepAt = 0;
  /** There may be files to pack. */
  #mayPack = false;
  /** Wall clock: when the first byte of the file was read, and when its interval ends. */
  #firstMs: number | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  /** Somebody waits for the line in hand to end, and the file to be set aside. */
  #lineEnd: PromiseWithResolvers<string | undefined> | undefined;
  #blockedSince: number | undefined;
  #blockedMs = 0;
  /** Dropped and not yet told in the index. */
  #gapBytes = 0;
  /** The pump before this one was killed, and that is not yet told in the index. */
  #afterKill = false;
  #gapEndsMidLine = false;
  readonly #index = new IndexWriter();

  constructor(path: string, settings: LogSettings) {
    this.path = path;
    this.#settings = settings;
  }

  get settings(): LogSettings {
    return this.#settings;
  }

  set settings(settings: LogSettings) {
    this.#settings = settings;
    this.#beginInterval(this.#firstMs);
  }

  /**
   * Returns how many bytes stay with the caller, to be brought again: none, unless the service is to wait for a disk that does not take them, or the
   * pump has no descriptor left to open the file with, which passes.
   */
  append(chunk: Buffer, runId: string): number {
    if (this.path === devNull) return 0;
    const now = performance.now();
    let log = this.#usable(now);
    if (log && this.#isDue(now)) log = this.#turnOver(now);
    let rest = log && this.#gapBytes > 0 ? this.#fromLineStart(chunk) : chunk;
    while (log && rest.length > 0) {
      const here = this.#bytesForThisFile(log, rest, now);
      const written = this.#write(log, rest.subarray(0, here), runId, now);
      rest = rest.subarray(written);
      if (written < here) break;
      if (rest.length === 0 && (!this.#lineEnd || log.midLine)) break;
      this.#rotate(log, now);
      log = this.#usable(now);
    }
    if (rest.length > 0 && (this.#settings.onFull === "block" || this.#shortage)) {
      this.#blockedSince ??= now;
      return rest.length;
    }
    this.#drop(rest);
    this.#unblock(now);
    return 0;
  }

  /** Bytes that stayed with a caller who can keep them no longer. */
  giveUp(rest: Buffer): void {
    this.#drop(rest);
    this.#unblock(performance.now());
  }

  /** For how long services have waited, since this pump has the file. */
  get blockedMs(): number {
    const current = this.#blockedSince === undefined ? 0 : performance.now() - this.#blockedSince;
    return Math.round(this.#blockedMs + current);
  }

  #unblock(now: number): void {
    if (this.#blockedSince === undefined) return;
    this.#blockedMs += now - this.#blockedSince;
    this.#blockedSince = undefined;
  }

  /** The run's first bytes, if it has any, come from here on. */
  beginRun(runId: string): void {
    if (this.path === devNull) return;
    // A new run deserves a new try.
    this.#retryAt = 0;
    if (this.#usable(performance.now())) this.#index.beginRun(this.#end, runId);
  }

  /** What is to be done also when nothing is written: the clock calls this often. */
  upkeep(): void {
    const now = performance.now();
    if (this.#log && this.#isDue(now)) this.#turnOver(now);
    if (this.path === devNull || now < this.#upkeepAt) return;
    this.#upkeepAt = now + upkeepMs;
    // What an earlier run has left is looked after; what is not there is not made.
    if (!this.#log && !lookUp(this.path)) return;
    const log = this.#usable(now);
    if (log && this.#isDue(now)) this.#turnOver(now);
    this.#prune("surplus");
    this.#mayPack = true;
  }

  /**
   * What is to be packed next, while nothing is: any file that was set aside but the newest, which stays as it is for tail and grep. The newer first, for
   * under a flood the older will be gone before they are done.
   */
  nextToPack(): PackOrder | undefined {
    if (!this.#mayPack) return undefined;
    this.#mayPack = false;
    try {
      using entered = this.#log ? undefined : LogDirectory.of(this.path, "fail");
      const place = this.#log?.place ?? entered?.place(this.path) ?? this.path;
      const { files, plain, unfinished } = listRotated(place);
      for (const name of unfinished) rmSync(join(dirname(place), name), { force: true });
      const packing = packingOf[this.#settings.compress];
      const base = plain.findLast((base) => base !== files.at(-1));
      return packing && base !== undefined ? { path: this.path, base, packing } : undefined;
    } catch {
      return undefined; // the directory is gone; the next rotation or the next minute sees
    }
  }

  /** There may be something to pack, also when the file is closed. */
  get mayPack(): boolean {
    return this.#mayPack;
  }

  /** One is packed: there may be more. */
  packed(): void {
    this.#mayPack = true;
  }

  /** Sets the present file aside and begins a new one. Returns its name; undefined: there was nothing in it. */
  rotate(): string | undefined {
    const now = performance.now();
    const log = this.#log || lookUp(this.path) ? this.#usable(now) : undefined;
    if (log && log.size > 0) return this.#rotate(log, now);
    this.#rotated(undefined);
    return undefined;
  }

  /** The same between two lines; a line that does not end in time is cut. */
  async rotateBetweenLines(waitMs: number): Promise<string | undefined> {
    if (!this.#log?.midLine) return this.rotate();
    this.#lineEnd ??= Promise.withResolvers();
    const timer = setTimeout(() => this.rotate(), waitMs);
    try {
      return await this.#lineEnd.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Removes what was written so far, and says how many bytes that were. Positions go on. */
  purge(rotatedOnly: boolean): number {
    if (!rotatedOnly) this.rotate();
    return this.#prune("all");
  }

  /** False when the index could not be told what is missing: then it stays open, and this is to be tried again. */
  close(): boolean {
    this.#rotated(undefined);
    const log = this.#log ?? (this.#gapBytes > 0 ? this.#usable(performance.now()) : undefined);
    if (log) this.#tellGap();
    if (this.#gapBytes > 0) return false;
    if (log) this.#index.mark(this.#end, { kind: "closed" });
    this.#forget();
    return true;
  }

  #bytesForThisFile(log: OpenLog, chunk: Buffer, now: number): number {
    if (this.#lineEnd) return chunk.indexOf(newline) + 1 || chunk.length;
    const limit = fileLimit(this.#settings);
    return limit <= 0 || now < this.#rotateNotBefore ? chunk.length : bytesBeforeRotation(log, chunk, limit);
  }

  #isDue(now: number): boolean {
    return this.#dueMs !== Number.POSITIVE_INFINITY && Date.now() >= this.#dueMs && now >= this.#rotateNotBefore;
  }

  /** At once, or when the line in hand ends. */
  #turnOver(now: number): OpenLog | undefined {
    void this.rotateBetweenLines(lineEndMs);
    return this.#usable(now);
  }

  #beginInterval(firstMs: number | undefined): void {
    this.#firstMs = firstMs;
    this.#dueMs = firstMs === undefined ? Number.POSITIVE_INFINITY : endOfInterval(this.#settings.interval, firstMs);
  }

  /** Returns how many bytes the disk took. */
  #write(log: OpenLog, bytes: Buffer, runId: string, now: number): number {
    if (bytes.length === 0) return 0;
    if (log.size === 0) this.#beginInterval(Date.now());
    this.#tellGap();
    failpoint("pump.chunk-in-hand");
    this.#index.chunk(this.#end, runId, now);
    let written = 0;
    try {
      while (written < bytes.length) written += writeSync(log.fd, bytes, written);
    } catch {
      // No space, no quota, a broken disk: whatever it is, the service must not feel it. The rest of the chunk is dropped and counted.
      this.#pauseMs = Math.min(mostPauseMs, 2 * this.#pauseMs);
      this.#retryAt = now + this.#pauseMs;
    }
    if (written === bytes.length) this.#pauseMs = leastPauseMs;
    if (written > 0) log.midLine = bytes[written - 1] !== newline;
    log.size += written;
    this.writtenBytes += written;
    this.#end = log.base + log.size;
    return written;
  }

  /** Beside the bytes that follow it, in the same file: a gap behind all of a file's bytes would be nobody's. */
  #tellGap(): void {
    if (this.#afterKill && this.#index.mark(this.#end, { kind: "gap", reason: "pump_killed", bytes: 0 })) this.#afterKill = false;
    if (this.#gapBytes > 0 && this.#index.mark(this.#end, { kind: "gap", reason: "dropped", bytes: this.#gapBytes })) this.#gapBytes = 0;
  }

  #drop(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.droppedBytes += chunk.length;
    this.#gapBytes += chunk.length;
    this.#gapEndsMidLine = chunk.at(-1) !== newline;
  }

  #fromLineStart(chunk: Buffer): Buffer {
    const start = this.#gapEndsMidLine ? chunk.indexOf(newline) + 1 : 0;
    if (start > 0) this.#drop(chunk.subarray(0, start));
    this.#gapEndsMidLine = false;
    return chunk.subarray(start);
  }

  #usable(now: number): OpenLog | undefined {
    if (now < this.#retryAt) return undefined;
    if (this.#log && now - this.#lookedAtName < lookAtNameMs && isIntact(this.#log)) return this.#log;
    this.#lookedAtName = now;
    try {
      if (this.#log) this.#lookAtName(this.#log);
      else this.#open();
      this.#shortage = false;
    } catch (error) {
      // The directory is gone and cannot be made: tried again, and counted meanwhile.
      this.#forget();
      this.#retryAt = now + retryOpenMs;
      this.#shortage = isShortage(error);
    }
    return this.#log;
  }

  #open(): void {
    const known = this.#epoch === undefined ? undefined : { epoch: this.#epoch, end: this.#end };
    const opened = openLog(this.path, known);
    this.#begin(opened);
    // Known by nobody here, and left in disorder: so by a pump that was killed.
    if (opened.unclean && !known) this.#afterKill = true;
  }

  #begin({ unclean, lastRun, lastTimeUs, firstTimeUs, ...log }: OpenedLog): void {
    this.#log = log;
    this.#beginInterval(log.size > 0 ? Math.floor(firstTimeUs / 1000) : undefined);
    this.#epoch = log.epoch;
    this.#end = log.base + log.size;
    this.#index.continue(log.index.fd, { lastRun, lastTimeUs });
  }

  /** Sees whether the names still belong to what is open here, with nothing more and nothing less in it. */
  #lookAtName({ base, epoch, size, inode, index }: OpenLog): void {
    const file = lookUp(this.path);
    const own = file?.ino === inode && lookUp(indexPath(this.path))?.ino === index.inode;
    if (own && file.size === size) return;
    const known = { base, epoch, end: this.#end };
    this.#forget();
    // What somebody else has appended is a part of the log now.
    if (own && file.size > size) this.#begin(openLog(this.path, known));
    else this.#begin(rejoinLog(this.path, known));
  }

  #rotate(log: OpenLog, now: number): string | undefined {
    try {
      this.#lookAtName(log);
      // Somebody has cut it or begun a new one: then there is less in it, and no need.
      if (this.#log !== log) return this.#rotated(undefined);
      this.#setAside(log);
    } catch {
      // A full or read-only disk takes no new names: better a long file than none.
      this.#rotateNotBefore = now + retryOpenMs;
      return this.#rotated(undefined);
    }
    this.#usable(now);
    this.#prune("surplus");
    this.#mayPack = true;
    return this.#rotated(rotatedPath(this.path, log.base));
  }

  #setAside({ place, base }: OpenLog): void {
    const aside = rotatedPath(place, base);
    // The index first: whoever finds it alone knows that the file was to follow.
    renameSync(indexPath(place), indexPath(aside));
    failpoint("rotate.index-renamed");
    try {
      renameSync(place, aside);
    } catch (error) {
      renameSync(indexPath(aside), indexPath(place));
      throw error;
    }
    failpoint("rotate.file-renamed");
    this.#index.mark(this.#end, { kind: "rotated" });
    failpoint("rotate.marked");
    this.#forget();
  }

  #rotated(aside: string | undefined): string | undefined {
    this.#lineEnd?.resolve(aside);
    this.#lineEnd = undefined;
    return aside;
  }

  /** Removes of what was set aside what is not to be kept, or everything; returns how many bytes that were. */
  #prune(what: "surplus" | "all"): number {
    let freedBytes = 0;
    try {
      using entered = this.#log ? undefined : LogDirectory.of(this.path, "fail");
      const place = this.#log?.place ?? entered?.place(this.path) ?? this.path;
      const { files: bases, indexes } = listRotated(place);
      const files = bases.map((base) => describeSetAside(place, base)).filter((file) => file !== undefined);
      const surplus = files.slice(0, what === "all" ? files.length : countSurplus(files, this.#settings, Date.now()));
      for (const { base, bytes } of surplus) {
        removeSetAside(place, base);
        freedBytes += bytes;
      }
      // An index without its file is left by a kill, and means something only where the present file has none.
      if (this.#log) for (const base of indexes) if (!bases.includes(base)) removeSetAside(place, base);
    } catch {
      // What cannot be removed now is tried again at the next rotation.
    }
    return freedBytes;
  }

  #forget(): void {
    if (this.#log) closeLog(this.#log);
    this.#log = undefined;
  }
}

/** Nobody has cut it, or removed it. */
function isIntact(log: OpenLog): boolean {
  const { size, nlink } = fstatSync(log.fd);
  return size === log.size && nlink > 0;
}

function lookUp(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}
