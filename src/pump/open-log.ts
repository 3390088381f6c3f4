import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  type Stats,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { decodeRecord, encodeRecord, type IndexRecord, recordBytes } from "../logs/index-format.ts";
import { indexPath, rotatedNames, rotatedPath } from "../logs/log-file-names.ts";
import { LogDirectory } from "./log-directory.ts";
import { newline } from "./rotation.ts";
import { wallTimeUs } from "./wall-clock.ts";

// Opening a log puts right whatever an earlier pump, or a person with an editor, has left. A rotation renames the index, then the file, marks the
// index as rotated and begins a new file and a new index; a kill may fall between any two of these steps:
//
//   the index is renamed, the file is not        an index without its file, the newest of all: the file follows it
//   both are renamed, without the mark           the newest index that was set aside gets it
//   the new file exists, its index does not      it begins where the newest file that was set aside ends
//
// Without an index the bytes are still there: they get one that says the little that is known, the time of the last change.

//
// Neither a link nor a second name of another file is written to: whoever owns the directory could have it mean anything.

const { O_RDONLY, O_RDWR, O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants;
const openFlags = O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK;
const fileMode = 0o640;
/** Enough records to find the last run, or the first chunk, among marks. */
const tailRecords = 8;
/** Bytes that there may have been after the last record: what shares a record, and a chunk. Positions that readers have seen are not used again. */
const mostUnindexed = 256 * 1024;

export interface OpenLog {
  readonly directory: LogDirectory;
  /** The file, by its directory. */
  readonly place: string;
  readonly fd: number;
  readonly inode: number;
  readonly index: OpenIndex;
  /** Position of the first byte. */
  readonly base: number;
  readonly epoch: number;
  size: number;
  midLine: boolean;
}

export interface OpenIndex {
  readonly fd: number;
  readonly inode: number;
}

export interface OpenedLog extends OpenLog {
  /** Of which run the last record tells. */
  readonly lastRun: string;
  readonly lastTimeUs: number;
  /** When the first byte was read. */
  readonly firstTimeUs: number;
  /** An earlier pump had it open and did not leave in good order. Means nothing where that pump is we. */
  readonly unclean: boolean;
}

/** `known`: what the caller has seen of the stream, so that its positions never fall. */
export function openLog(path: string, known?: Pick<KnownStream, "epoch" | "end">): OpenedLog {
  return inDirectory(path, (place) => {
    const past = repairRotation(place);
    return openFile(place, (file, stat) => {
      const opened = openWithIndex(place, file, stat);
      if (opened) return opened;
      const base = Math.max(past.base, known?.end ?? 0);
      const epoch = known?.epoch ?? past.epoch ?? wallTimeUs();
      const log = withNewIndex(place, file, { base, epoch, end: base + file.size }, Math.floor(stat.mtimeMs * 1000));
      // Files that were set aside and no index: the rotation was not finished.
      return { ...log, unclean: past.base > 0 };
    });
  });
}

/** What is known of a stream by the pump that writes it. */
export interface KnownStream {
  readonly base: number;
  readonly epoch: number;
  readonly end: number;
}

/**
 * Goes on with whatever has the name now, after somebody has cut, removed or replaced the file or its index. Bytes that are there count as the
 * last ones of the stream, and what is missing was before them: so it is after `> web.out.log`, which the next lines have followed.
 */
export function rejoinLog(path: string, known: KnownStream): OpenedLog {
  return inDirectory(path, (place) => openFile(place, (file) => withNewIndex(place, file, known, wallTimeUs())));
}

function inDirectory(path: string, open: (place: string) => LogInPlace): OpenedLog {
  const directory = LogDirectory.of(path, "make");
  try {
    const place = directory.place(path);
    return { ...open(place), directory, place };
  } catch (error) {
    directory[Symbol.dispose]();
    throw error;
  }
}

/** Writes a new index in place of what is there; whole or not at all. */
function replaceIndex(path: string, records: readonly IndexRecord[]): OpenIndex {
  const temporary = `${indexPath(path)}.new`;
  removeIfThere(temporary);
  const fd = openSync(temporary, openFlags | O_EXCL, fileMode);
  try {
    writeSync(fd, Buffer.concat(records.map(encodeRecord)));
    renameSync(temporary, indexPath(path));
    return { fd, inode: fstatSync(fd).ino };
  } catch (error) {
    closeSync(fd);
    removeIfThere(temporary);
    throw error;
  }
}

export function closeLog(log: OpenLog): void {
  closeSync(log.fd);
  closeSync(log.index.fd);
  log.directory[Symbol.dispose]();
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

export function listRotated(path: string): ReturnType<typeof rotatedNames> {
  return rotatedNames(path, readdirSync(dirname(path)));
}

type OpenFile = Pick<OpenLog, "fd" | "inode" | "size" | "midLine">;
type LogInPlace = Omit<OpenedLog, "directory" | "place">;

function openFile(path: string, withIndex: (file: OpenFile, stat: Stats) => LogInPlace): LogInPlace {
  const fd = openSync(path, openFlags, fileMode);
  try {
    const stat = fstatSync(fd);
    if (!isSoleFile(stat)) throw new Error(`cannot write log ${path}: it is not a regular file, or has other names`);
    return withIndex({ fd, inode: stat.ino, size: stat.size, midLine: endsMidLine(fd, stat.size) }, stat);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function openWithIndex(path: string, file: OpenFile, stat: Stats): LogInPlace | undefined {
  const fd = openSync(indexPath(path), openFlags, fileMode);
  const indexStat = fstatSync(fd);
  const { size, ino } = indexStat;
  const header = isSoleFile(indexStat) ? readRecord(fd, 0) : undefined;
  if (header?.kind !== "header") {
    closeSync(fd);
    return undefined;
  }
  const wholeSize = size - (size % recordBytes);
  if (wholeSize < size) ftruncateSync(fd, wholeSize);
  const tail = readTail(fd, wholeSize);
  const firstChunk = readRecords(fd, recordBytes, Math.min(wholeSize, tailRecords * recordBytes)).find(({ kind }) => kind === "chunk");
  const last = tail.at(-1) ?? header;
  const unclean = last.kind !== "closed";
  // The file has been cut, removed, or replaced by a shorter one, while nobody looked.
  if (last.position > header.position + file.size) {
    closeSync(fd);
    const end = unclean ? last.position + mostUnindexed : last.position;
    return withNewIndex(path, file, { base: header.position, epoch: header.epoch, end }, Math.floor(stat.mtimeMs * 1000));
  }
  return {
    ...file,
    index: { fd, inode: ino },
    base: header.position,
    epoch: header.epoch,
    lastRun: tail.reduce((run, record) => ("runId" in record ? record.runId : run), ""),
    lastTimeUs: last.timeUs,
    firstTimeUs: (firstChunk ?? header).timeUs,
    unclean,
  };
}

function withNewIndex(path: string, file: OpenFile, { base: oldBase, epoch, end }: KnownStream, timeUs: number): LogInPlace {
  const base = Math.max(oldBase, end - file.size);
  const header = { kind: "header", position: base, timeUs, epoch } as const;
  const gap = { kind: "gap", position: base, timeUs, reason: "truncated", bytes: base - oldBase } as const;
  const rest = { kind: "chunk", position: base, timeUs, runId: "" } as const;
  const index = replaceIndex(path, [header, ...(base > oldBase ? [gap] : []), ...(file.size > 0 ? [rest] : [])]);
  return { ...file, index, base, epoch, lastRun: "", lastTimeUs: timeUs, firstTimeUs: timeUs, unclean: false };
}

/** Finishes a rotation that was cut short; says where the stream stands after all that was set aside. */
function repairRotation(path: string): { base: number; epoch: number | undefined } {
  const { files, plain, indexes } = listRotated(path);
  const orphan = indexes.at(-1);
  if (orphan !== undefined && orphan > (files.at(-1) ?? -1) && existsSync(path) && !existsSync(indexPath(path))) {
    renameSync(path, rotatedPath(path, orphan));
    return endOfRotated(rotatedPath(path, orphan), orphan);
  }
  const newest = files.at(-1);
  if (newest === undefined) return { base: 0, epoch: undefined };
  return plain.at(-1) === newest ? endOfRotated(rotatedPath(path, newest), newest) : endOfPacked(rotatedPath(path, newest), newest);
}

function endOfRotated(path: string, base: number): { base: number; epoch: number | undefined } {
  const { size } = lstatSync(path);
  return { base: base + size, epoch: markRotated(path, base + size) };
}

/** It is packed, but its index says how long it was. */
function endOfPacked(path: string, base: number): { base: number; epoch: number | undefined } {
  const fd = openSync(indexPath(path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const header = readRecord(fd, 0);
    const last = readTail(fd, fstatSync(fd).size).at(-1);
    return { base: Math.max(base, last?.position ?? 0), epoch: header?.kind === "header" ? header.epoch : undefined };
  } finally {
    closeSync(fd);
  }
}

/** Returns the epoch, where there is an index to tell it. */
function markRotated(path: string, end: number): number | undefined {
  try {
    const fd = openSync(indexPath(path), O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK);
    try {
      const stat = fstatSync(fd);
      if (!isSoleFile(stat)) return undefined;
      const header = readRecord(fd, 0);
      const { size } = stat;
      if (readTail(fd, size - (size % recordBytes)).at(-1)?.kind !== "rotated") {
        ftruncateSync(fd, size - (size % recordBytes));
        writeSync(fd, encodeRecord({ kind: "rotated", position: end, timeUs: wallTimeUs() }));
      }
      return header?.kind === "header" ? header.epoch : undefined;
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function readRecord(fd: number, at: number): IndexRecord | undefined {
  const bytes = Buffer.alloc(recordBytes);
  return readSync(fd, bytes, 0, recordBytes, at) === recordBytes ? decodeRecord(bytes) : undefined;
}

function readTail(fd: number, size: number): IndexRecord[] {
  return readRecords(fd, Math.max(recordBytes, size - (size % recordBytes) - tailRecords * recordBytes), size);
}

function readRecords(fd: number, from: number, to: number): IndexRecord[] {
  const bytes = Buffer.alloc(Math.max(0, to - from));
  const read = readSync(fd, bytes, 0, bytes.length, from);
  return Array.from({ length: Math.floor(read / recordBytes) }, (_, i) => decodeRecord(bytes, i * recordBytes)).filter(
    (record) => record !== undefined,
  );
}

function isSoleFile(stat: Stats): boolean {
  return stat.isFile() && stat.nlink === 1;
}

function endsMidLine(fd: number, size: number): boolean {
  if (size === 0) return false;
  const last = Buffer.alloc(1);
  return readSync(fd, last, 0, 1, size - 1) === 1 && last[0] !== newline;
}
