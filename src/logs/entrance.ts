import { countRecords, findChunkBefore, findPositionSince } from "./index-cursor.ts";
import type { Place } from "./log-stream.ts";
import { closeSegment, listRotated, openCurrent, openRotated, openSegmentAt, type Segment } from "./segment.ts";

/** Where a reader begins. */
export type Start =
  | { readonly from: "oldest" }
  | { readonly from: "place"; readonly place: Place }
  | { readonly from: "time"; readonly timeMs: number };

const newline = 0x0a;

export interface Entrance {
  readonly segment: Segment;
  readonly position: number;
  /** The place belonged to a stream that is gone, or to bytes that are. */
  readonly lost?: boolean;
}

/** Undefined while the stream has no file. */
export function enterStream(path: string, start: Start): Promise<Entrance | undefined> {
  switch (start.from) {
    case "oldest":
      return openAt(path, undefined);
    case "place":
      return openAt(path, start.place);
    case "time":
      return openSince(path, start.timeMs);
  }
}

/** Without an index nobody knows what the stream was called. */
export function isSameStream(a: { readonly epoch: number }, b: { readonly epoch: number }): boolean {
  return a.epoch === b.epoch || a.epoch === 0 || b.epoch === 0;
}

export async function isLineStart({ file, base }: Segment, position: number): Promise<boolean> {
  if (position === base) return true;
  const before = Buffer.alloc(1);
  await file.read(before, 0, 1, position - base - 1);
  return before[0] === newline;
}

async function openAt(path: string, place: Place | undefined): Promise<Entrance | undefined> {
  const segment = await openSegmentAt(path, place?.position ?? 0);
  if (!segment) return undefined;
  if (!place) return { segment, position: segment.base };
  const end = segment.base + (await segment.file.size());
  if (isSameStream(place, segment)) {
    return { segment, position: Math.min(Math.max(place.position, segment.base), end), lost: place.position > end };
  }
  await closeSegment(segment);
  const oldest = await openSegmentAt(path, 0);
  return oldest && { segment: oldest, position: oldest.base, lost: true };
}

/** At the first bytes that were not read before this time, or at the end of all. */
async function openSince(path: string, timeMs: number): Promise<Entrance | undefined> {
  for (const base of await listRotated(path)) {
    const segment = await openRotated(path, base);
    if (!segment) continue; // removed meanwhile
    const position = await findSince(segment, timeMs);
    if (position !== undefined) return { segment, position };
    await closeSegment(segment);
  }
  const current = await openCurrent(path);
  if (!current) return undefined;
  const end = current.base + (await current.file.size());
  return { segment: current, position: (await findSince(current, timeMs)) ?? end };
}

async function findSince(segment: Segment, timeMs: number): Promise<number | undefined> {
  if (!segment.index) return segment.modifiedMs >= timeMs ? segment.base : undefined;
  const newest = await findChunkBefore(segment.index, await countRecords(segment.index));
  if (!newest || newest.timeUs < timeMs * 1000) return undefined;
  return findPositionSince(segment.index, timeMs * 1000);
}
