import { devNull } from "node:os";
import { isShortage } from "../host/shortage.ts";
import { rotatedPath } from "../logs/log-file-names.ts";
import type { LogFileOrder } from "../logs/pump-protocol.ts";
import { endOfInterval } from "./interval.ts";
import { MissingBytes } from "./missing-bytes.ts";
import type { OpenLog } from "./open-log.ts";
import type { PackOrder } from "./packer.ts";
import { PresentFile } from "./present-file.ts";
import { fileLimit } from "./retention.ts";
import { bytesBeforeRotation, newline } from "./rotation.ts";
import { SetAsideFiles } from "./set-aside-files.ts";
import { Stopwatch } from "./stopwatch.ts";

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

export class LogFile {
  readonly path: string;
  #settings: LogSettings;
  /** Bytes that the disk took, since this pump has the file. */
  writtenBytes = 0;
  readonly #missing = new MissingBytes();
  readonly #present: PresentFile;
  readonly setAside: SetAsideFiles;
  readonly #onSetAside: () => void;
  /** Services wait for the disk. */
  readonly #blocked = new Stopwatch();
  #lookedAtName = 0;
  #retryAt = 0;
  /** The last opening failed for want of descriptors. */
  #shortage = false;
  #pauseMs = leastPauseMs;
  #rotateNotBefore = 0;
  #upkeepAt = 0;
  /** Wall clock: when the interval ends in which the first byte of the file was read. */
  #due = { firstMs: undefined as number | undefined, ms: Number.POSITIVE_INFINITY };
  /** Somebody waits for the line in hand to end, and the file to be set aside. */
  #lineEnd: PromiseWithResolvers<string | undefined> | undefined;

  /** `onSetAside` is called when one more file was set aside. */
  constructor(path: string, settings: LogSettings, onSetAside: () => void = () => undefined) {
    this.path = path;
    this.#settings = settings;
    this.#present = new PresentFile(path, this.#missing);
    this.setAside = new SetAsideFiles(path, () => this.#present.log?.place);
    this.#onSetAside = onSetAside;
  }

  get settings(): LogSettings {
    return this.#settings;
  }

  set settings(settings: LogSettings) {
    this.#settings = settings;
    this.#beginInterval();
  }

  /** Bytes that the disk did not take, since this pump has the file. */
  get droppedBytes(): number {
    return this.#missing.droppedBytes;
  }

  /** Of the file that is being written, with its index; 0 while it is not open. */
  get presentBytes(): number {
    return this.#present.bytes;
  }

  /** For how long services have waited, since this pump has the file. */
  get blockedMs(): number {
    return Math.round(this.#blocked.at(performance.now()));
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
    let rest = log ? this.#missing.fromLineStart(chunk) : chunk;
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
      this.#blocked.start(now);
      return rest.length;
    }
    this.#missing.drop(rest);
    this.#blocked.stop(now);
    return 0;
  }

  /** Bytes that stayed with a caller who can keep them no longer. */
  giveUp(rest: Buffer): void {
    this.#missing.drop(rest);
    this.#blocked.stop(performance.now());
  }

  /** The run's first bytes, if it has any, come from here on. */
  beginRun(runId: string): void {
    if (this.path === devNull) return;
    // A new run deserves a new try.
    this.#retryAt = 0;
    if (this.#usable(performance.now())) this.#present.index.beginRun(this.#present.end, runId);
  }

  /** What is to be done also when nothing is written: the clock calls this often. */
  upkeep(): void {
    const now = performance.now();
    if (this.#present.log && this.#isDue(now)) this.#turnOver(now);
    if (this.path === devNull || now < this.#upkeepAt) return;
    this.#upkeepAt = now + upkeepMs;
    // What an earlier run has left is looked after; what is not there is not made.
    if (!this.#present.isThere()) return;
    const log = this.#usable(now);
    if (log && this.#isDue(now)) this.#turnOver(now);
    this.setAside.prune(this.#settings);
    this.setAside.lookForWork();
  }

  /** Undefined where there is nothing to pack. */
  nextToPack(): PackOrder | undefined {
    return this.setAside.nextToPack(this.#settings.compress);
  }

  /** There may be something to pack, also when the file is closed. */
  get mayPack(): boolean {
    return this.setAside.mayPack;
  }

  /** One is packed: there may be more. */
  packed(): void {
    this.setAside.packed();
  }

  /** Sets the present file aside and begins a new one. Returns its name; undefined: there was nothing in it. */
  rotate(): string | undefined {
    const now = performance.now();
    const log = this.#present.isThere() ? this.#usable(now) : undefined;
    if (log && log.size > 0) return this.#rotate(log, now);
    this.#rotated(undefined);
    return undefined;
  }

  /** The same between two lines; a line that does not end in time is cut. */
  async rotateBetweenLines(waitMs: number): Promise<string | undefined> {
    if (!this.#present.log?.midLine) return this.rotate();
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
    return this.setAside.removeAll();
  }

  /** False when the index could not be told what is missing: then it stays open, and this is to be tried again. */
  close(): boolean {
    this.#rotated(undefined);
    const { index } = this.#present;
    const log = this.#present.log ?? (this.#missing.untold ? this.#usable(performance.now()) : undefined);
    if (log) this.#missing.tell(index, this.#present.end);
    if (this.#missing.untold) return false;
    if (log) index.mark(this.#present.end, { kind: "closed" });
    this.#present.forget();
    return true;
  }

  #bytesForThisFile(log: OpenLog, chunk: Buffer, now: number): number {
    if (this.#lineEnd) return chunk.indexOf(newline) + 1 || chunk.length;
    const limit = fileLimit(this.#settings);
    return limit <= 0 || now < this.#rotateNotBefore ? chunk.length : bytesBeforeRotation(log, chunk, limit);
  }

  #isDue(now: number): boolean {
    if (this.#due.firstMs !== this.#present.firstMs) this.#beginInterval();
    return this.#due.ms !== Number.POSITIVE_INFINITY && Date.now() >= this.#due.ms && now >= this.#rotateNotBefore;
  }

  #beginInterval(): void {
    const { firstMs } = this.#present;
    this.#due = { firstMs, ms: firstMs === undefined ? Number.POSITIVE_INFINITY : endOfInterval(this.#settings.interval, firstMs) };
  }

  /** At once, or when the line in hand ends. */
  #turnOver(now: number): OpenLog | undefined {
    void this.rotateBetweenLines(lineEndMs);
    return this.#usable(now);
  }

  /** Returns how many bytes the disk took. The rest of the chunk waits, or is dropped and counted. */
  #write(log: OpenLog, bytes: Buffer, runId: string, now: number): number {
    if (bytes.length === 0) return 0;
    const written = this.#present.write(log, bytes, runId, now);
    this.writtenBytes += written;
    if (written === bytes.length) {
      this.#pauseMs = leastPauseMs;
    } else {
      this.#pauseMs = Math.min(mostPauseMs, 2 * this.#pauseMs);
      this.#retryAt = now + this.#pauseMs;
    }
    return written;
  }

  #usable(now: number): OpenLog | undefined {
    if (now < this.#retryAt) return undefined;
    const { log } = this.#present;
    if (log && now - this.#lookedAtName < lookAtNameMs && this.#present.isIntact(log)) return log;
    this.#lookedAtName = now;
    try {
      if (log) this.#present.lookAtName(log);
      else this.#present.open();
      this.#shortage = false;
    } catch (error) {
      // The directory is gone and cannot be made: tried again, and counted meanwhile.
      this.#present.forget();
      this.#retryAt = now + retryOpenMs;
      this.#shortage = isShortage(error);
    }
    return this.#present.log;
  }

  #rotate(log: OpenLog, now: number): string | undefined {
    try {
      this.#present.lookAtName(log);
      // Somebody has cut it or begun a new one: then there is less in it, and no need.
      if (this.#present.log !== log) return this.#rotated(undefined);
      this.#present.setAside(log);
    } catch {
      // A full or read-only disk takes no new names: better a long file than none.
      this.#rotateNotBefore = now + retryOpenMs;
      return this.#rotated(undefined);
    }
    this.#usable(now);
    this.setAside.prune(this.#settings);
    this.setAside.lookForWork();
    this.#onSetAside();
    return this.#rotated(rotatedPath(this.path, log.base));
  }

  #rotated(aside: string | undefined): string | undefined {
    this.#lineEnd?.resolve(aside);
    this.#lineEnd = undefined;
    return aside;
  }
}
