import { constants, createReadStream, createWriteStream, fstatSync, lstatSync, lutimesSync, openSync, renameSync, rmSync, type Stats } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createGzip, createZstdCompress, constants as zlib } from "node:zlib";
import { type Packing, packedPath, packings, rotatedPath } from "../logs/log-file-names.ts";
import { LogDirectory } from "./log-directory.ts";

// Packs files that were set aside, one at a time, while the pump goes on: libuv's threads read, pack and write, and the pump's own hears of it every 64 KiB.
//
//   `….zst.new` is being written        a kill leaves it, and whoever looks for work next removes it
//   it is renamed to `….zst`            a kill leaves both: the plain file is packed once more, over what is there
//   the plain file is removed           done
//
// Between the beginning and the end anything may happen to the file: it may be removed, for age or number, or by a person. So the end is one step without
// a wait in it, which first looks whether the file is still what was packed; if not, what was made of it is thrown away.

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants;
const fileMode = 0o640;
const blockBytes = 64 * 1024;

/** A file that was set aside, to be packed. */
export interface PackOrder {
  readonly path: string;
  readonly base: number;
  readonly packing: Packing;
}

export class Packer {
  readonly #leaving = new AbortController();
  #busy = false;

  /** There is one in hand. */
  get busy(): boolean {
    return this.#busy;
  }

  /** Says whether it is packed now; if not, something stands in the way, and there is no sense in trying at once again. */
  async pack(order: PackOrder): Promise<boolean> {
    this.#busy = true;
    try {
      await packFile(order, this.#leaving.signal);
      return true;
    } catch {
      // The disk is full, or the file is gone, or the pump leaves: a plain file is as good, only longer.
      return false;
    } finally {
      this.#busy = false;
    }
  }

  /** What is in hand is left as a kill would leave it. */
  close(): void {
    this.#leaving.abort();
  }
}

async function packFile({ path, base, packing }: PackOrder, signal: AbortSignal): Promise<void> {
  using directory = LogDirectory.of(path, "fail");
  const place = directory.place(path);
  const plain = rotatedPath(place, base);
  const packed = packedPath(place, base, packing);
  const unfinished = `${packed}.new`;
  const from = openSync(plain, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  // The streams close what they read and write, when no thread is at work on it any more: its number may soon be another file's.
  const source = createReadStream("", { fd: from, highWaterMark: blockBytes });
  try {
    const before = fstatSync(from);
    if (!before.isFile()) throw new Error(`cannot pack ${path}: it is not a regular file`);
    rmSync(unfinished, { force: true });
    const to = openSync(unfinished, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, fileMode);
    await pipeline(source, createCompressor(packing), createWriteStream("", { fd: to }), { signal });
    if (!isSame(before, lstatSync(plain))) throw new Error(`cannot pack ${path}: it has changed`);
    // Its age is that of its lines.
    lutimesSync(unfinished, before.atime, before.mtime);
    renameSync(unfinished, packed);
    rmSync(plain);
    for (const other of packings) if (other !== packing) rmSync(packedPath(place, base, other), { force: true });
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw error;
  } finally {
    source.destroy();
  }
}

function createCompressor(packing: Packing) {
  switch (packing) {
    case "zst":
      return createZstdCompress({ chunkSize: blockBytes, params: { [zlib.ZSTD_c_checksumFlag]: 1 } });
    case "gz":
      return createGzip({ chunkSize: blockBytes });
  }
}

function isSame(a: Stats, b: Stats): boolean {
  return a.ino === b.ino && a.size === b.size && a.mtimeMs === b.mtimeMs;
}
