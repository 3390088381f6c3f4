import type { FileHandle } from "node:fs/promises";
import { enterStream, isSameStream } from "./entrance.ts";
import { countRecords } from "./index-cursor.ts";
import { decodeRecord, recordBytes } from "./index-format.ts";
import { lineLimit, type Place } from "./log-stream.ts";
import { closeSegment, listRotated, openCurrent, openRotated, openSegmentAt, type Segment } from "./segment.ts";

export interface BackwardLine {
  /** Where it begins. */
  readonly place: Place;
  readonly timeUs: number;
  readonly runId: string;
  /** Without its newline. */
  readonly bytes: Buffer;
}

/** Where to begin going back; at the end of what has been written when neither is said. */
export interface BackwardStart {
  readonly place?: Place | undefined;
  /** Behind the last line that was begun by then. */
  readonly untilMs?: number | undefined;
}

const newline = 0x0a;
const blockBytes = 32 * 1024;
const indexBlockRecords = 64;

/**
 * The lines of a stream from its end to its beginning, block by block. A line longer than the limit counts as several; the beginning of a file
 * counts as the beginning of a line, for only such a line goes over it.
 */
export class BackwardLines {
  /** Where this began. */
  readonly end: Place;
  readonly #path: string;
  #segment: Segment;
  /** Start of the line that was given last. */
  #position: number;
  /** Bytes from this position on, at least to the end of the line in hand. */
  #block: Buffer = Buffer.alloc(0);
  #blockPosition: number;
  #chunks: BackwardChunks;

  private constructor(path: string, segment: Segment, { end, position, chunks }: { end: number; position: number; chunks: BackwardChunks }) {
    this.#path = path;
    this.#segment = segment;
    this.#position = position;
    this.#blockPosition = position;
    this.#chunks = chunks;
    this.end = { epoch: segment.epoch, position: end };
  }

  /** Undefined where there is no file, or none of the stream that the place belongs to. */
  static async open(path: string, start: BackwardStart = {}): Promise<BackwardLines | undefined> {
    const found = await findEnd(path, start);
    if (!found) return undefined;
    const { segment, end } = found;
    const position = Math.min(end, await readableEnd(segment));
    return new BackwardLines(path, segment, { end, position, chunks: await BackwardChunks.open(segment) });
  }

  async close(): Promise<void> {
    await closeSegment(this.#segment);
  }

  async previous(): Promise<BackwardLine | undefined> {
    while (this.#position === this.#segment.base) if (!(await this.#goBack())) return undefined;
    const end = this.#position;
    this.#position = await this.#findStart(end);
    const chunk = await this.#chunks.chunkAt(this.#position);
    const bytes = this.#block.subarray(this.#position - this.#blockPosition, end - this.#blockPosition);
    return {
      place: { epoch: this.#segment.epoch, position: this.#position },
      timeUs: chunk?.timeUs ?? Math.floor(this.#segment.modifiedMs * 1000),
      runId: chunk?.runId ?? "",
      bytes: bytes.at(-1) === newline ? bytes.subarray(0, -1) : bytes,
    };
  }

  async #findStart(end: number): Promise<number> {
    const earliest = Math.max(this.#segment.base, end - lineLimit);
    // The last byte before the end is the newline of this very line.
    for (let before = end - 1; ; before = Math.min(before, this.#blockPosition)) {
      if (before <= this.#blockPosition) {
        if (this.#blockPosition <= earliest) return earliest;
        await this.#loadBlock(end);
      }
      const found = before > this.#blockPosition ? this.#block.lastIndexOf(newline, before - 1 - this.#blockPosition) : -1;
      if (found >= 0) return Math.max(earliest, this.#blockPosition + found + 1);
      before = this.#blockPosition;
    }
  }

  /** The block before the present one, with what is needed of that. */
  async #loadBlock(end: number): Promise<void> {
    const start = Math.max(this.#segment.base, this.#blockPosition - blockBytes);
    const length = this.#blockPosition - start;
    const block = Buffer.allocUnsafe(end - start);
    const { bytesRead } = await this.#segment.file.read(block, 0, length, start - this.#segment.base);
    // A file that was cut meanwhile has no lines there.
    block.fill(0, bytesRead, length);
    this.#block.copy(block, length, 0, end - this.#blockPosition);
    this.#block = block;
    this.#blockPosition = start;
  }

  async #goBack(): Promise<boolean> {
    const before = await openNewestBefore(this.#path, this.#segment.base);
    if (!before) return false;
    await closeSegment(this.#segment);
    this.#segment = before;
    this.#position = await readableEnd(before);
    this.#block = Buffer.alloc(0);
    this.#blockPosition = this.#position;
    this.#chunks = await BackwardChunks.open(before);
    return true;
  }
}

/** The index from its end to its beginning. */
class BackwardChunks {
  readonly #handle: FileHandle | undefined;
  /** Records before this number have not been looked at. */
  #number: number;
  #block: Buffer = Buffer.alloc(0);
  #blockNumber: number;

  private constructor(handle: FileHandle | undefined, count: number) {
    this.#handle = handle;
    this.#number = count;
    this.#blockNumber = count;
  }

  static async open({ index }: Segment): Promise<BackwardChunks> {
    return new BackwardChunks(index, await countRecords(index));
  }

  /** When and from whom the byte at this position was read. Positions are asked for from the end to the beginning. */
  async chunkAt(position: number): Promise<{ readonly timeUs: number; readonly runId: string } | undefined> {
    for (; this.#number > 0; this.#number--) {
      if (this.#number <= this.#blockNumber) await this.#loadBefore(this.#number);
      const record = decodeRecord(this.#block, (this.#number - 1 - this.#blockNumber) * recordBytes);
      if (!record || record.position > position) continue;
      if (record.kind === "chunk") return record;
      if (record.kind === "header") return { timeUs: record.timeUs, runId: "" };
    }
    return undefined;
  }

  async #loadBefore(number: number): Promise<void> {
    const first = Math.max(0, number - indexBlockRecords);
    const block = Buffer.alloc((number - first) * recordBytes);
    await this.#handle?.read(block, 0, block.length, first * recordBytes);
    this.#block = block;
    this.#blockNumber = first;
  }
}

async function findEnd(path: string, { place, untilMs }: BackwardStart): Promise<{ segment: Segment; end: number } | undefined> {
  if (place) {
    const segment = await openSegmentAt(path, Math.max(0, place.position - 1));
    if (!segment || isSameStream(place, segment)) return segment && { segment, end: Math.max(segment.base, place.position) };
    await closeSegment(segment);
    return undefined;
  }
  if (untilMs !== undefined) {
    const found = await enterStream(path, { from: "time", timeMs: untilMs + 1 });
    return found && { segment: found.segment, end: found.position };
  }
  const segment = (await openCurrent(path)) ?? (await openNewestBefore(path, Number.MAX_SAFE_INTEGER));
  return segment && { segment, end: segment.base + (await segment.file.size()) };
}

async function openNewestBefore(path: string, position: number): Promise<Segment | undefined> {
  for (const base of (await listRotated(path)).filter((base) => base < position).reverse()) {
    const segment = await openRotated(path, base);
    if (segment) return segment; // else removed meanwhile
  }
  return undefined;
}

async function readableEnd({ file, base }: Segment): Promise<number> {
  return base + (await file.readableSize());
}
