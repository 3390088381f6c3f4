import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readLastRecord } from "./index-cursor.ts";
import { decodeRecord, recordBytes } from "./index-format.ts";
import { indexPath, packedPath, packings, rotatedNames, rotatedPath } from "./log-file-names.ts";
import { PackedFile, PlainFile, type SegmentFile } from "./segment-file.ts";

// One file of a stream, open for reading. The pump renames and removes files whenever it likes; what has been opened stays readable, and the
// questions here are only which file holds a position, and whether a file and an index that were opened by name belong together. The pump renames the
// index, renames the file, makes a new file, gives it an index, in this order; so if the file still has its name after the index was
// opened, that index cannot have been another's.

export interface Segment {
  readonly file: SegmentFile;
  readonly index: FileHandle | undefined;
  readonly inode: number;
  /** Position of its first byte. */
  readonly base: number;
  /** 0 where no index tells it. */
  readonly epoch: number;
  /** It has been set aside and does not grow any more. */
  readonly complete: boolean;
  /** Says when, where no index does. */
  readonly modifiedMs: number;
}

/** The pump needs much less for a rotation; without a pump it never ends. */
const rotationTries = 5;
const rotationPauseMs = 2;

/** The segment that holds the byte at this position, or else the next one after it; undefined where there is none. The caller closes it. */
export async function openSegmentAt(path: string, position: number): Promise<Segment | undefined> {
  for (let left = rotationTries; ; left--) {
    const current = await openCurrent(path);
    if (current && position >= current.base) return current;
    const bases = await listRotated(path);
    const before = bases.findLast((base) => base <= position);
    const candidates = [...(before === undefined ? [] : [before]), ...bases.filter((base) => base > position)];
    for (const base of candidates) {
      const rotated = await openRotated(path, base);
      if (!rotated) continue; // removed meanwhile
      if (position < base + (await rotated.file.size())) {
        if (current) await closeSegment(current);
        return rotated;
      }
      await closeSegment(rotated);
    }
    // In the middle of a rotation there is no present file.
    if (current || bases.length === 0 || left === 0) return current;
    await sleep(rotationPauseMs);
  }
}

/** Positions at which the files begin that were set aside, oldest first. */
export async function listRotated(path: string): Promise<readonly number[]> {
  try {
    return rotatedNames(path, await readdir(dirname(path))).files;
  } catch {
    return []; // the directory is not there yet
  }
}

export async function openRotated(path: string, base: number): Promise<Segment | undefined> {
  // The compressed one is there, and whole, before the plain one is removed: so whoever does not find this one finds that.
  for (const packing of [undefined, ...packings]) {
    const handle = await openIfThere(packing ? packedPath(path, base, packing) : rotatedPath(path, base));
    if (!handle) continue;
    const { ino, mtimeMs } = await handle.stat();
    const index = await openIndex(rotatedPath(path, base));
    const last = packing && (await readLastRecord(index?.handle));
    const size = last?.kind === "rotated" && last.position >= base ? last.position - base : undefined;
    const file = packing ? new PackedFile(handle, packing, size) : new PlainFile(handle);
    return { file, index: index?.handle, inode: ino, base, epoch: index?.epoch ?? 0, complete: true, modifiedMs: mtimeMs };
  }
  return undefined;
}

export async function openCurrent(path: string): Promise<Segment | undefined> {
  for (let left = rotationTries; ; left--) {
    const handle = await openIfThere(path);
    if (!handle) return undefined;
    const { ino, mtimeMs } = await handle.stat();
    const index = await openCurrentIndex(path);
    const still = await stat(path).catch(() => undefined);
    const segment = { file: new PlainFile(handle), index: index?.handle, inode: ino, complete: false, modifiedMs: mtimeMs };
    if (still?.ino === ino) {
      if (index) return { ...segment, base: index.base, epoch: index.epoch };
      if (left === 0) return { ...segment, base: await endOfRotated(path), epoch: 0 };
    }
    await closeSegment(segment);
    // It is set aside faster than it can be looked at: then there is no present file, as in the middle of a rotation.
    if (left === 0) return undefined;
    await sleep(rotationPauseMs);
  }
}

export async function closeSegment({ file, index }: Pick<Segment, "file" | "index">): Promise<void> {
  await Promise.all([file.close(), index?.close()]);
}

/** Somebody has taken its index away: the pump after a look at the file, or a person. */
export async function hasLostIndex({ index }: Segment): Promise<boolean> {
  return index !== undefined && (await index.stat()).nlink === 0;
}

/** Its name belongs to another file now. */
export async function hasLostName(path: string, { inode }: Segment): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.ino !== inode;
}

/** The position after the last byte that was written; 0 while there is none. */
export async function endOfStream(path: string): Promise<number> {
  const current = await openCurrent(path);
  if (!current) return endOfRotated(path);
  const end = current.base + (await current.file.size());
  await closeSegment(current);
  return end;
}

async function endOfRotated(path: string): Promise<number> {
  const base = (await listRotated(path)).at(-1);
  const rotated = base === undefined ? undefined : await openRotated(path, base);
  if (!rotated) return base ?? 0;
  const end = rotated.base + (await rotated.file.size());
  await closeSegment(rotated);
  return end;
}

/** One that says that its file begins before the end of one that was set aside has been damaged. */
async function openCurrentIndex(path: string): Promise<Awaited<ReturnType<typeof openIndex>>> {
  const index = await openIndex(path);
  if (!index || index.base >= (await endOfRotated(path))) return index;
  await index.handle.close();
  return undefined;
}

/** Undefined when there is none, or none with a header. */
async function openIndex(path: string): Promise<{ handle: FileHandle; base: number; epoch: number } | undefined> {
  const handle = await openIfThere(indexPath(path));
  if (!handle) return undefined;
  const bytes = Buffer.alloc(recordBytes);
  const { bytesRead } = await handle.read(bytes, 0, recordBytes, 0);
  const header = decodeRecord(bytes.subarray(0, bytesRead));
  if (header?.kind === "header") return { handle, base: header.position, epoch: header.epoch };
  await handle.close();
  return undefined;
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new Error(`cannot read log ${basename(path)}`, { cause: error });
  }
}
