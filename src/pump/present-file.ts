import { fstatSync, lstatSync, renameSync, type Stats, writeSync } from "node:fs";
import { failpoint } from "../failpoint.ts";
import { indexPath, rotatedPath } from "../logs/log-file-names.ts";
import { IndexWriter } from "./index-writer.ts";
import type { MissingBytes } from "./missing-bytes.ts";
import { closeLog, type OpenedLog, type OpenLog, openLog, rejoinLog } from "./open-log.ts";
import { newline } from "./rotation.ts";

/** The file of a log that is being written, with its index: opened, looked at and set aside here. What cannot be done throws. */
export class PresentFile {
  readonly path: string;
  readonly index = new IndexWriter();
  readonly #missing: MissingBytes;
  #log: OpenLog | undefined;
  /** Kept while the file is not open. */
  #end = 0;
  #epoch: number | undefined;
  #firstMs: number | undefined;

  constructor(path: string, missing: MissingBytes) {
    this.path = path;
    this.#missing = missing;
  }

  /** Undefined while it is not open. */
  get log(): OpenLog | undefined {
    return this.#log;
  }

  /** Position after the last byte that was written. */
  get end(): number {
    return this.#end;
  }

  /** With its index; 0 while it is not open. */
  get bytes(): number {
    return this.#log ? this.#log.size + this.index.bytes : 0;
  }

  /** Wall clock, when the first byte of the file was read; undefined where it has none. */
  get firstMs(): number | undefined {
    return this.#firstMs;
  }

  /** It has its name, open or not. */
  isThere(): boolean {
    return this.#log !== undefined || lookUp(this.path) !== undefined;
  }

  open(): void {
    const known = this.#epoch === undefined ? undefined : { epoch: this.#epoch, end: this.#end };
    const opened = openLog(this.path, known);
    this.#begin(opened);
    // Known by nobody here, and left in disorder: so by a pump that was killed.
    if (opened.unclean && !known) this.#missing.afterKill();
  }

  /** Nobody has cut it, or removed it. */
  isIntact(log: OpenLog): boolean {
    const { size, nlink } = fstatSync(log.fd);
    return size === log.size && nlink > 0;
  }

  /** Sees whether the names still belong to what is open here, with nothing more and nothing less in it. */
  lookAtName({ base, epoch, size, inode, index }: OpenLog): void {
    const file = lookUp(this.path);
    const own = file?.ino === inode && lookUp(indexPath(this.path))?.ino === index.inode;
    if (own && file.size === size) return;
    const known = { base, epoch, end: this.#end };
    this.forget();
    // What somebody else has appended is a part of the log now.
    if (own && file.size > size) this.#begin(openLog(this.path, known));
    else this.#begin(rejoinLog(this.path, known));
  }

  #begin({ unclean, lastRun, lastTimeUs, firstTimeUs, ...log }: OpenedLog): void {
    this.#log = log;
    this.#firstMs = log.size > 0 ? Math.floor(firstTimeUs / 1000) : undefined;
    this.#epoch = log.epoch;
    this.#end = log.base + log.size;
    this.index.continue(log.index.fd, { lastRun, lastTimeUs });
  }

  /** Returns how many bytes the disk took. */
  write(log: OpenLog, bytes: Buffer, runId: string, now: number): number {
    if (log.size === 0) this.#firstMs = Date.now();
    this.#missing.tell(this.index, this.#end);
    failpoint("pump.chunk-in-hand");
    this.index.chunk(this.#end, runId, now);
    let written = 0;
    try {
      while (written < bytes.length) written += writeSync(log.fd, bytes, written);
    } catch {
      // No space, no quota, a broken disk: whatever it is, the service must not feel it.
    }
    if (written > 0) log.midLine = bytes[written - 1] !== newline;
    log.size += written;
    this.#end = log.base + log.size;
    return written;
  }

  setAside({ place, base }: OpenLog): void {
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
    this.index.mark(this.#end, { kind: "rotated" });
    failpoint("rotate.marked");
    this.forget();
  }

  forget(): void {
    if (this.#log) closeLog(this.#log);
    this.#log = undefined;
  }
}

function lookUp(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}
