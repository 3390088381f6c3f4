import type { FileHandle } from "node:fs/promises";
import type { Packing } from "./log-file-names.ts";
import { releaseUnpacked, takeUnpacked, type Unpacked } from "./unpacked-files.ts";

/** The bytes of one file of a stream, whether they are there as they were written or compressed. Whoever has opened it closes it. */
export interface SegmentFile {
  /** How many bytes belong to it. */
  size(): Promise<number>;
  /** How many of them can be read: fewer where a compressed file is damaged. */
  readableSize(): Promise<number>;
  /** What it takes of the disk. */
  diskSize(): Promise<number>;
  read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }>;
  close(): Promise<void>;
}

export class PlainFile implements SegmentFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  readableSize(): Promise<number> {
    return this.size();
  }

  diskSize(): Promise<number> {
    return this.size();
  }

  read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }> {
    return this.#handle.read(buffer, offset, length, position);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** Is decompressed when the first byte of it is asked for. */
export class PackedFile implements SegmentFile {
  readonly #handle: FileHandle;
  readonly #packing: Packing;
  /** As the index says; undefined where there is none. */
  readonly #size: number | undefined;
  #key: string | undefined;
  #content: Promise<Unpacked> | undefined;

  constructor(handle: FileHandle, packing: Packing, size: number | undefined) {
    this.#handle = handle;
    this.#packing = packing;
    this.#size = size;
  }

  async size(): Promise<number> {
    return this.#size ?? (await this.#unpacked()).size;
  }

  async readableSize(): Promise<number> {
    return (await this.#unpacked()).size;
  }

  async diskSize(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  async read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }> {
    const { handle } = await this.#unpacked();
    return handle.read(buffer, offset, length, position);
  }

  async close(): Promise<void> {
    await this.#content?.catch(() => undefined);
    if (this.#key !== undefined) releaseUnpacked(this.#key);
    await this.#handle.close();
  }

  #unpacked(): Promise<Unpacked> {
    this.#content ??= this.#unpack();
    return this.#content;
  }

  async #unpack(): Promise<Unpacked> {
    const { dev, ino, size, mtimeMs } = await this.#handle.stat();
    const key = `${dev} ${ino} ${size} ${mtimeMs}`;
    const content = await takeUnpacked(key, { file: this.#handle, packing: this.#packing, most: this.#size ?? Number.MAX_SAFE_INTEGER });
    this.#key = key;
    return content;
  }
}
