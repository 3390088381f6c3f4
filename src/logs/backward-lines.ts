import type { FileHandle } from "node:fs/promises";
import { countRecords } from "./index-cursor.ts";
import { decodeRecord, recordBytes } from "./index-format.ts";
import { lineLimit, type Place } from "./log-stream.ts";
import { closeSegment, listRotated, openCurrent, openRotated, type Segment } from "./segment.ts";

export interface LineStart {
  readonly place: Place;
  readonly timeUs: number;
}

const newline = 0x0a;
const blockBytes = 32 * 1024;
const indexBlockRecords = 64;

/**
 * The lines of a stream from its end to its beginning, block by block. A line longer than the limit counts as several; the beginning of a file
 * counts as the beginning of a line, for only such a line goes over it.
 */
export class BackwardLines {
  /** Where the stream ended when this was opened. */
  readonly end: Place;
  readonly #path: string;
  #segment: Segment;
  /** Start of the line that was given last. */
  #position: number;
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

  /** Undefined where there is no file. */
  static async open(path: string): Promise<BackwardLines | undefined> {
    const segment = (await openCurrent(path)) ?? (await openNewestBefore(path, Number.MAX_SAFE_INTEGER));
    if (!segment) return undefined;
    const end = segment.base + (await segment.file.size());
    return new BackwardLines(path, segment, { end, position: await readableEnd(segment), chunks: await BackwardChunks.open(segment) });
  }

  async close(): Promise<void> {
    await closeSegment(this.#segment);
  }

  async previous(): Promise<LineStart | undefined> {
    while (this.#position === this.#segment.base) if (!(await this.#goBack())) return undefined;
    this.#position = await this.#findStart(this.#position);
    const timeUs = (await this.#chunks.timeAt(this.#position)) ?? Math.floor(this.#segment.modifiedMs * 1000);
    return { place: { epoch: this.#segment.epoch, position: this.#position }, timeUs };
  }

  async #findStart(end: number): Promise<number> {
    const earliest = Math.max(this.#segment.base, end - lineLimit);
    // The last byte before the end is the newline of this very line.
    for (let before = end - 1; before > earliest; before = this.#blockPosition) {
      if (before <= this.#blockPosition) await this.#loadBefore(before);
      const found = this.#block.lastIndexOf(newline, before - 1 - this.#blockPosition);
      if (found >= 0) return Math.max(earliest, this.#blockPosition + found + 1);
    }
    return earliest;
  }

  async #loadBefore(end: number): Promise<void> {
    const start = Math.max(this.#segment.base, end - blockBytes);
    const block = Buffer.allocUnsafe(end - start);
    const { bytesRead } = await this.#segment.file.read(block, 0, block.length, start - this.#segment.base);
    // A file that was cut meanwhile has no lines there.
    this.#block = block.fill(0, bytesRead);
    this.#blockPosition = start;
  }

  async #goBack(): Promise<boolean> {
    const before = await openNewestBefore(this.#path, this.#segment.base);
    if (!before) return false;
    await closeSegment(this.#segment);
    this.#segment = before;
    this.#position = await readableEnd(before);
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

  /** When the byte at this position was read. Positions are asked for from the end to the beginning. */
  async timeAt(position: number): Promise<number | undefined> {
    for (; this.#number > 0; this.#number--) {
      if (this.#number <= this.#blockNumber) await this.#loadBefore(this.#number);
      const record = decodeRecord(this.#block, (this.#number - 1 - this.#blockNumber) * recordBytes);
      if ((record?.kind === "chunk" || record?.kind === "header") && record.position <= position) return record.timeUs;
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
