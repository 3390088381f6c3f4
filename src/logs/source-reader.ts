import { enterStream, isLineStart, isSameStream, type Start } from "./entrance.ts";
import { findChunkBefore, findRecord, IndexCursor } from "./index-cursor.ts";
import type { IndexRecord } from "./index-format.ts";
import { type LogEntry, type LogGap, type LogStreamRef, lineLimit, type Place } from "./log-stream.ts";
import { closeSegment, hasLostIndex, hasLostName, openSegmentAt, type Segment } from "./segment.ts";

// One stream, read forward, line by line, from file to file. A block of at most two lines' length is in memory, whatever comes.
//
// A unit is what the reader hands out: one line, or a piece of one, with the gaps that stand before it. A gap is told together with the bytes after it,
// so that a cursor is always at the end of a unit, and going on from it tells every line once and every gap once. A line ends at its
// newline; it breaks off as `partial` after 64 KiB, where bytes are missing, where another run begins to write, and at the end of
// what has been written when the reader's owner does not want to wait for the rest.
//
// Files change under the reader, and it notices only when it comes to the end of one: the pump has marked its index as rotated, then the next file
// begins at the same position; or its index has lost its name, then the file was cut, removed or replaced, and whatever has its path now is
// asked where it begins. Positions that nobody has any more are a gap.

export interface Unit {
  readonly gaps: readonly LogGap[];
  readonly entry: LogEntry;
  readonly timeUs: number;
  /** The reader's place before it, and before its gaps. */
  readonly before: Place | undefined;
  /** After it. */
  readonly end: number;
}

const newline = 0x0a;

export class SourceReader {
  readonly source: LogStreamRef;
  /** Everything before it has been handed out; undefined while there is nothing to read at all. */
  place: Place | undefined;
  #start: Start;
  #segment: Segment | undefined;
  #index = new IndexCursor(undefined, 1);
  /** Bytes from this position on, of which `#at` is the first that was not handed out. */
  #block: Buffer = Buffer.alloc(0);
  #blockPosition = 0;
  #at = 0;
  #unit: Unit | undefined;
  #gaps: LogGap[] = [];
  /** Of the line in hand: its first byte and what the index says of it. */
  #line: { readonly position: number; readonly timeUs: number } | undefined;
  #timeUs = 0;
  #run = "";
  #skipLine = false;

  constructor(source: LogStreamRef, start: Start) {
    this.source = source;
    this.#start = start;
    if (start.from === "place") this.place = start.place;
  }

  /** Resolves with true when there is a unit, with false at the end of what has been written. */
  async fill(): Promise<boolean> {
    for (;;) {
      this.#unit ??= this.#nextUnit();
      if (this.#unit) return true;
      if (!(await this.#refill())) return false;
    }
  }

  peek(): Unit | undefined {
    this.#unit ??= this.#nextUnit();
    return this.#unit;
  }

  take(): Unit | undefined {
    const unit = this.peek();
    this.#unit = undefined;
    if (unit && this.#segment) this.place = { epoch: this.#segment.epoch, position: unit.end };
    return unit;
  }

  /** Bytes in hand of a line that has not ended. */
  get pendingBytes(): number {
    return this.#unit ? 0 : this.#block.length - this.#at;
  }

  /** Breaks the line in hand off: `peek` gives what there is of it. */
  breakLine(): void {
    if (this.pendingBytes > 0) this.#unit = this.#cut(this.#block.length, true);
  }

  async close(): Promise<void> {
    const segment = this.#segment;
    this.#segment = undefined;
    if (segment) await closeSegment(segment);
  }

  #nextUnit(): Unit | undefined {
    for (;;) {
      const unit = this.#parse();
      if (!unit || !this.#skipLine) return unit;
      this.#skipLine = unit.entry.partial;
      if (this.#segment) this.place = { epoch: this.#segment.epoch, position: unit.end };
    }
  }

  #parse(): Unit | undefined {
    if (this.#at === this.#block.length) return undefined;
    const start = this.#blockPosition + this.#at;
    if (this.#line?.position !== start) {
      this.#learnUpTo(start);
      this.#line = { position: start, timeUs: this.#timeUs };
    }
    const found = this.#block.indexOf(newline, this.#at);
    const lineEnd = found < 0 ? this.#block.length : found;
    const broken = this.#findBreak(this.#blockPosition + lineEnd);
    const longest = this.#at + lineLimit;
    if (broken !== undefined) return this.#cut(Math.min(broken - this.#blockPosition, longest), true);
    if (lineEnd > longest || (found < 0 && lineEnd === longest)) return this.#cut(longest, true);
    return found < 0 ? undefined : this.#cut(found, false);
  }

  #cut(end: number, partial: boolean): Unit {
    const { instance, stream } = this.source;
    const bytes = this.#block.subarray(this.#at, end);
    const timeUs = this.#line?.timeUs ?? this.#timeUs;
    const entry = { instance, stream, timeMs: Math.floor(timeUs / 1000), bytes, partial, runId: this.#run };
    const gaps = this.#gaps;
    this.#gaps = [];
    this.#line = undefined;
    this.#at = partial ? end : end + 1;
    return { gaps, entry, timeUs, before: this.place, end: this.#blockPosition + this.#at };
  }

  #learnUpTo(position: number): void {
    for (let record = this.#index.peek(); record && record.position <= position; record = this.#index.peek()) {
      this.#learn(record);
      this.#index.skip();
    }
  }

  /** Where the line breaks off before its end: bytes are missing there, or another run begins. */
  #findBreak(lineEnd: number): number | undefined {
    for (let record = this.#index.peek(); record && record.position <= lineEnd; record = this.#index.peek()) {
      const breaks = record.kind === "gap" || (record.kind === "chunk" && record.runId !== this.#run);
      if (breaks && record.position > (this.#line?.position ?? 0)) return record.position;
      this.#learn(record);
      this.#index.skip();
    }
    return undefined;
  }

  #learn(record: IndexRecord): void {
    if (record.kind === "chunk") {
      this.#timeUs = record.timeUs;
      this.#run = record.runId;
    } else if (record.kind === "gap" && record.reason !== "truncated") {
      // What was truncated is told by who comes from before it, and only there it is known how much of it was unread.
      this.#tellGap(record.reason, record.bytes, record.timeUs);
    }
  }

  #tellGap(reason: LogGap["reason"], bytes: number, timeUs: number): void {
    const { instance, stream } = this.source;
    const last = this.#gaps.at(-1);
    // A disk that stays full is told again at every try: all of it is one gap.
    if (last?.reason === reason) this.#gaps[this.#gaps.length - 1] = { ...last, bytes: last.bytes + bytes };
    else this.#gaps.push({ instance, stream, reason, bytes, timeMs: Math.floor(timeUs / 1000) });
  }

  async #open(): Promise<boolean> {
    const { path } = this.source;
    const start = this.#start;
    // What appears later is new, and read from its beginning.
    if (start.from === "time") this.#start = { from: "oldest" };
    const found = await enterStream(path, start);
    if (!found) return false;
    const { segment, position } = found;
    await this.#enter(segment, position);
    if (found.lost) this.#tellGap("truncated", 0, this.#timeUs);
    else if (start.from !== "place") this.place = { epoch: segment.epoch, position };
    else this.#tellJump(start.place.position, segment.base);
    this.#skipLine = start.from === "time" && !(await isLineStart(segment, position));
    return true;
  }

  /** Reads on; false when there is nothing more just now. */
  async #refill(): Promise<boolean> {
    if (!this.#segment) return this.#open();
    const segment = this.#segment;
    const position = this.#blockPosition + this.#block.length;
    const carry = this.#block.subarray(this.#at);
    const bytes = Buffer.allocUnsafe(carry.length + lineLimit);
    const { bytesRead } = await segment.file.read(bytes, carry.length, lineLimit, position - segment.base);
    if (bytesRead === 0) return this.#leave(segment, position);
    await this.#index.load(position + bytesRead);
    // A file that was cut gets a new index before it grows again: then these bytes are not those that stood here.
    if (!segment.complete && (await hasLostIndex(segment))) return this.#goOn(segment, position);
    carry.copy(bytes);
    this.#blockPosition = position - carry.length;
    this.#block = bytes.subarray(0, carry.length + bytesRead);
    this.#at = 0;
    return true;
  }

  /** At the end of a file: true when there is another to go on with, or more of this one. */
  async #leave(segment: Segment, position: number): Promise<boolean> {
    if (!segment.complete) {
      await this.#index.load(Number.MAX_SAFE_INTEGER);
      const complete = this.#index.complete || (!segment.index && (await hasLostName(this.source.path, segment)));
      if (complete) {
        // The pump may have written to it since we came to its end.
        this.#segment = { ...segment, complete };
        return true;
      }
      if (!(await hasLostIndex(segment))) return false;
      return this.#goOn(segment, position);
    }
    const end = segment.base + (await segment.file.size());
    return position < end ? this.#skipDamage(position, end) : this.#goOn(segment, position);
  }

  /** What cannot be decompressed is missing, and what comes after it is not. */
  #skipDamage(position: number, end: number): boolean {
    if (this.pendingBytes > 0) {
      this.breakLine();
      return true;
    }
    this.#tellGap("damaged", end - position, this.#timeUs);
    this.#block = Buffer.alloc(0);
    this.#at = 0;
    this.#blockPosition = end;
    return true;
  }

  async #goOn(from: Segment, position: number): Promise<boolean> {
    const next = await openSegmentAt(this.source.path, position);
    if (!next) return false;
    const same = next.inode === from.inode && next.base === from.base;
    const another = !isSameStream(next, from);
    const unread = next.inode !== from.inode && !from.complete && (await from.file.size()) > position - from.base;
    if (same || unread) {
      await closeSegment(next);
      // Without a name, but not without bytes: what we hold open can still be read to its end.
      if (unread) this.#segment = { ...from, complete: true };
      return unread;
    }
    const missing = another ? 0 : Math.max(0, next.base - position);
    // The disk may have been full when this file was as well: then a gap stands behind its last byte.
    await this.#index.load(Number.MAX_SAFE_INTEGER);
    const gapAtEnd = this.#index.peek()?.kind === "gap";
    if ((another || missing > 0 || gapAtEnd) && this.pendingBytes > 0) {
      await closeSegment(next);
      this.breakLine();
      return true;
    }
    this.#learnUpTo(position);
    await this.#enter(next, another ? next.base : Math.max(position, next.base));
    if (another) this.#tellGap("truncated", 0, this.#timeUs);
    else this.#tellJump(position, next.base);
    await closeSegment(from);
    return true;
  }

  /** Nobody has the bytes between them any more. */
  #tellJump(position: number, base: number): void {
    if (base <= position) return;
    const record = this.#index.peek();
    const truncated = record?.kind === "gap" && record.reason === "truncated" && record.position === base;
    this.#tellGap(truncated ? "truncated" : "rotated_away", base - position, record?.timeUs ?? this.#timeUs);
  }

  async #enter(segment: Segment, position: number): Promise<void> {
    const number = await findRecord(segment.index, position);
    const before = await findChunkBefore(segment.index, number);
    this.#index = new IndexCursor(segment.index, number);
    await this.#index.load(position + 1);
    this.#timeUs = before?.timeUs ?? Math.floor(segment.modifiedMs * 1000);
    if (before) this.#run = before.runId;
    this.#segment = segment;
    if (position !== this.#blockPosition + this.#block.length) {
      this.#block = Buffer.alloc(0);
      this.#at = 0;
      this.#blockPosition = position;
    }
  }
}
