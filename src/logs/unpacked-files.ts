import { randomBytes } from "node:crypto";
import { type FileHandle, open, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import type { Packing } from "./log-file-names.ts";

// Compressed logs are read anywhere and backwards, page by page, by several readers: so each is decompressed once, into a file without a name
// that the kernel removes when it is closed, and kept for a while after its last reader has gone, for the next page. Memory is a few chunks,
// whatever the file has; zlib works in the thread pool and stalls nobody.

/** How long one is kept that nobody reads. */
const idleMs = 10_000;
const mostIdle = 4;

export interface Unpacked {
  readonly handle: FileHandle;
  /** Less than was packed, where the packed file is damaged. */
  readonly size: number;
}

interface Shared {
  readonly content: Promise<Unpacked>;
  readers: number;
  timer?: NodeJS.Timeout;
}

const shared = new Map<string, Shared>();

/** Its content, at most so many bytes of it. The handle stays the caller's until `release` is called with the same key. */
export async function takeUnpacked(
  key: string,
  packed: { readonly file: FileHandle; readonly packing: Packing; readonly most: number },
): Promise<Unpacked> {
  const found = shared.get(key) ?? { content: unpack(packed), readers: 0 };
  clearTimeout(found.timer);
  found.readers++;
  shared.set(key, found);
  try {
    return await found.content;
  } catch (error) {
    shared.delete(key);
    throw new Error(`cannot decompress a log into ${tmpdir()}`, { cause: error });
  }
}

export function releaseUnpacked(key: string): void {
  const found = shared.get(key);
  if (!found || --found.readers > 0) return;
  found.timer = setTimeout(() => void forget(key), idleMs).unref();
  const idle = [...shared].filter(([, { readers }]) => readers === 0);
  for (const [key] of idle.slice(0, -mostIdle)) void forget(key);
}

async function forget(key: string): Promise<void> {
  const found = shared.get(key);
  shared.delete(key);
  clearTimeout(found?.timer);
  const content = await found?.content.catch(() => undefined);
  await content?.handle.close();
}

async function unpack({ file, packing, most }: { file: FileHandle; packing: Packing; most: number }): Promise<Unpacked> {
  const handle = await openNameless();
  let size = 0;
  const source = file.createReadStream({ start: 0, autoClose: false });
  const decoder = packing === "zst" ? createZstdDecompress() : createGunzip();
  try {
    await pipeline(source, decoder, async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        await writeWhole(handle, chunk.subarray(0, most - size), size);
        size = Math.min(most, size + chunk.length);
        if (size === most) return;
      }
    });
  } catch (error) {
    // Damaged: what came before the damage can be read. A disk that is full or broken is another matter.
    if (!isDamage(error)) {
      await handle.close();
      throw error;
    }
  }
  return { handle, size };
}

async function writeWhole(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    written += (await handle.write(bytes, written, bytes.length - written, position + written)).bytesWritten;
  }
}

async function openNameless(): Promise<FileHandle> {
  const path = join(tmpdir(), `pmd-log-${randomBytes(8).toString("hex")}`);
  const handle = await open(path, "wx+", 0o600);
  await unlink(path);
  return handle;
}

/** zlib's own errors have a number; those of the system have a name of the system call. */
function isDamage(error: unknown): boolean {
  return error instanceof Error && !("syscall" in error);
}
