import { fstatSync, ftruncateSync, writeSync } from "node:fs";
import { encodeRecord, type GapReason, recordBytes } from "../logs/index-format.ts";
import { wallTimeUs } from "./wall-clock.ts";

/** Chunks this near to the last one share its record. */
const sharedMs = 1;
const sharedBytes = 64 * 1024;
/** A clock that falls back by less than this is being corrected, and time stands still meanwhile; further, and it has been set. */
const clockStepUs = 10_000_000;

export type Mark =
  | { readonly kind: "chunk" | "run-start"; readonly runId: string }
  | { readonly kind: "gap"; readonly reason: GapReason; readonly bytes: number }
  | { readonly kind: "closed" | "rotated" };

/** Appends to the index of a log, from file to file. A record that the disk did not take is not there, and not half there. */
export class IndexWriter {
  #fd = -1;
  #bytes = 0;
  /** Of the last record. */
  #run = "";
  #timeUs = 0;
  #chunk = { position: -1, at: Number.NEGATIVE_INFINITY };

  /** Its length. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Goes on behind what is in this index. */
  continue(fd: number, { lastRun, lastTimeUs }: { readonly lastRun: string; readonly lastTimeUs: number }): void {
    this.#fd = fd;
    this.#bytes = fstatSync(fd).size;
    this.#run = lastRun;
    this.#timeUs = Math.max(this.#timeUs, lastTimeUs);
    this.#forgetChunk();
  }

  /** Tells once where a run begins. */
  beginRun(position: number, runId: string): void {
    if (runId !== this.#run) this.mark(position, { kind: "run-start", runId });
    this.#run = runId;
  }

  chunk(position: number, runId: string, now: number): void {
    const near = now - this.#chunk.at < sharedMs && position - this.#chunk.position < sharedBytes;
    // The same bytes once more: a full disk did not take them.
    const again = position === this.#chunk.position;
    if (((near || again) && runId === this.#run) || !this.mark(position, { kind: "chunk", runId })) return;
    this.#run = runId;
    this.#chunk = { position, at: now };
  }

  /** Says whether it is there now. The next chunk gets a record of its own. */
  mark(position: number, mark: Mark): boolean {
    this.#forgetChunk();
    try {
      if (writeSync(this.#fd, encodeRecord({ ...mark, position, timeUs: this.#now() })) === recordBytes) {
        this.#bytes += recordBytes;
        return true;
      }
    } catch {
      // No space: whoever calls tries again, or does without.
    }
    this.#cutToWholeRecords();
    return false;
  }

  #forgetChunk(): void {
    this.#chunk = { position: -1, at: Number.NEGATIVE_INFINITY };
  }

  #now(): number {
    const now = wallTimeUs();
    const correcting = now < this.#timeUs && this.#timeUs - now < clockStepUs;
    if (!correcting) this.#timeUs = now;
    return this.#timeUs;
  }

  #cutToWholeRecords(): void {
    try {
      const { size } = fstatSync(this.#fd);
      if (size % recordBytes > 0) ftruncateSync(this.#fd, size - (size % recordBytes));
    } catch {
      // The same disk that did not take the record; the next opening cuts it.
    }
  }
}
