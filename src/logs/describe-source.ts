import { stat } from "node:fs/promises";
import { countRecords, findChunkBefore, readRecords } from "./index-cursor.ts";
import type { LogStreamRef } from "./log-stream.ts";
import { closeSegment, listRotated, openCurrent, openRotated, type Segment } from "./segment.ts";

export interface SourceDescription {
  /** What all its files take of the disk. */
  readonly sizeBytes: number;
  readonly rotatedFiles: number;
  /** When the oldest and the newest byte were read; undefined where there is none. */
  readonly oldestMs: number | undefined;
  readonly newestMs: number | undefined;
  /** Since the present file was begun. */
  readonly droppedBytes: number;
}

export async function describeSource({ path }: LogStreamRef): Promise<SourceDescription> {
  const segments: Segment[] = [];
  const bases = await listRotated(path);
  try {
    for (const open of [...bases.map((base) => () => openRotated(path, base)), () => openCurrent(path)]) {
      const segment = await open();
      if (segment) segments.push(segment);
    }
    const current = segments.find(({ complete }) => !complete);
    const sizes = await Promise.all(segments.map(({ file }) => file.diskSize()));
    const filled = segments.filter((_, i) => sizes[i] !== 0);
    return {
      sizeBytes: sizes.reduce((sum, size) => sum + size, 0),
      rotatedFiles: segments.filter(({ complete }) => complete).length,
      oldestMs: filled[0] && (await oldestMs(filled[0])),
      newestMs: filled.at(-1) && (await newestMs(filled.at(-1) as Segment)),
      droppedBytes: current ? await countDropped(current) : 0,
    };
  } finally {
    await Promise.all(segments.map(closeSegment));
  }
}

/** A file that is not the pump's: what the file system says of it. One that is not there, or cannot be seen, is empty. */
export async function describeFile(path: string): Promise<Pick<SourceDescription, "sizeBytes" | "newestMs">> {
  const found = await stat(path).catch(() => undefined);
  return { sizeBytes: found?.size ?? 0, newestMs: found?.mtimeMs };
}

async function oldestMs({ index, modifiedMs }: Segment): Promise<number> {
  for await (const records of readRecords(index)) {
    const chunk = records.find(({ kind }) => kind === "chunk");
    if (chunk) return Math.floor(chunk.timeUs / 1000);
  }
  return modifiedMs;
}

async function newestMs({ index, modifiedMs }: Segment): Promise<number> {
  const chunk = await findChunkBefore(index, await countRecords(index));
  return chunk ? Math.floor(chunk.timeUs / 1000) : modifiedMs;
}

async function countDropped({ index }: Segment): Promise<number> {
  let bytes = 0;
  for await (const records of readRecords(index)) {
    for (const record of records) if (record.kind === "gap" && record.reason === "dropped") bytes += record.bytes;
  }
  return bytes;
}
