import type { FileHandle } from "node:fs/promises";
import { decodeRecord, type IndexRecord, recordBytes } from "./index-format.ts";

const blockBytes = 128 * recordBytes;

/** Goes through an index beside its log: loaded in step with the bytes, and then asked without waiting. */
export class IndexCursor {
  readonly #handle: FileHandle | undefined;
  #offset: number;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  /** A rotated record has been loaded: the file is complete. */
  complete = false;

  /** Begins with this record; the header is number 0. */
  constructor(handle: FileHandle | undefined, record: number) {
    this.#handle = handle;
    this.#offset = record * recordBytes;
  }

  /** Loads the records before the position, as far as they have been written. */
  async load(end: number): Promise<void> {
    while (!this.#reaches(end)) {
      const block = await readBlock(this.#handle, this.#offset);
      if (block.length === 0) return;
      this.#offset += block.length;
      this.#bytes = Buffer.concat([this.#bytes.subarray(this.#at), block]);
      this.#at = 0;
      if (decodeRecord(block, block.length - recordBytes)?.kind === "rotated") this.complete = true;
    }
  }

  peek(): IndexRecord | undefined {
    for (; this.#at < this.#bytes.length; this.#at += recordBytes) {
      const record = decodeRecord(this.#bytes, this.#at);
      if (record) return record;
    }
    return undefined;
  }

  skip(): void {
    this.#at += recordBytes;
  }

  #reaches(end: number): boolean {
    // What is no record says nothing of how far this one has come.
    const last = this.#bytes.length > this.#at ? decodeRecord(this.#bytes, this.#bytes.length - recordBytes) : undefined;
    return last !== undefined && last.position >= end;
  }
}

/** The number of the first record at or after the position. */
export async function findRecord(handle: FileHandle | undefined, position: number): Promise<number> {
  let [low, high] = [1, await countRecords(handle)];
  while (low < high) {
    const middle = (low + high) >> 1;
    const record = await readRecord(handle, middle);
    if (record && record.position < position) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The chunk before the record of this number, if there is one: it tells when and by whom the bytes were written. */
export async function findChunkBefore(
  handle: FileHandle | undefined,
  number: number,
): Promise<{ readonly timeUs: number; readonly runId: string } | undefined> {
  for (let to = number; to > 1; ) {
    const from = Math.max(1, to - blockBytes / recordBytes);
    const block = await readBlock(handle, from * recordBytes, (to - from) * recordBytes);
    for (let at = block.length - recordBytes; at >= 0; at -= recordBytes) {
      const record = decodeRecord(block, at);
      if (record?.kind === "chunk") return record;
    }
    to = from;
  }
  return undefined;
}

/** The position of the first chunk that was not read before this time. One after the other: clocks can be set back. */
export async function findPositionSince(handle: FileHandle | undefined, timeUs: number): Promise<number | undefined> {
  for await (const records of readRecords(handle)) {
    const chunk = records.find((record) => record.kind === "chunk" && record.timeUs >= timeUs);
    if (chunk) return chunk.position;
  }
  return undefined;
}

/** All of them, so many at a time. */
export async function* readRecords(handle: FileHandle | undefined): AsyncGenerator<IndexRecord[]> {
  for (let offset = 0; ; ) {
    const block = await readBlock(handle, offset, 16 * blockBytes);
    if (block.length === 0) return;
    offset += block.length;
    const records = Array.from({ length: block.length / recordBytes }, (_, i) => decodeRecord(block, i * recordBytes));
    yield records.filter((record) => record !== undefined);
  }
}

export async function countRecords(handle: FileHandle | undefined): Promise<number> {
  return handle ? Math.floor((await handle.stat()).size / recordBytes) : 0;
}

export async function readLastRecord(handle: FileHandle | undefined): Promise<IndexRecord | undefined> {
  const count = await countRecords(handle);
  return count > 0 ? readRecord(handle, count - 1) : undefined;
}

async function readRecord(handle: FileHandle | undefined, number: number): Promise<IndexRecord | undefined> {
  return decodeRecord(await readBlock(handle, number * recordBytes, recordBytes));
}

/** Whole records only; none where there is no index. */
async function readBlock(handle: FileHandle | undefined, offset: number, length = blockBytes): Promise<Buffer> {
  if (!handle) return Buffer.alloc(0);
  const bytes = Buffer.allocUnsafe(length);
  const { bytesRead } = await handle.read(bytes, 0, length, offset);
  return bytes.subarray(0, bytesRead - (bytesRead % recordBytes));
}
