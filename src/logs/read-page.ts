import { decodeCursor, encodeCursor, type Places } from "./cursor.ts";
import type { Start } from "./entrance.ts";
import { LineFilter } from "./line-filter.ts";
import { type LogEntry, type LogGap, type LogStreamRef, sourceKey, uniqueSources } from "./log-stream.ts";
import { Merge, Page, type Room } from "./merge.ts";
import { SourceReader, type Unit } from "./source-reader.ts";
import { findTail } from "./tail.ts";

/** An answer stays below what one message may carry, however long the lines are. */
const mostBytes = 1024 * 1024;
/** So many lines are looked at together when something is asked of them. */
export const siftedTogether: Room = { entries: 256, bytes: 256 * 1024 };

export interface ReadFrom {
  /** Of an earlier page; sources that are not in it are read from their beginning. */
  readonly cursor?: string | undefined;
  /** Without a cursor: the last so many wanted lines of all sources together. Undefined begins with the oldest, 0 reads nothing old. */
  readonly tail?: number | undefined;
  /** Without a cursor: nothing that was read before. */
  readonly sinceMs?: number | undefined;
  /** Every line when undefined. The caller closes it. */
  readonly filter?: LineFilter | undefined;
}

export interface ReadOptions extends ReadFrom {
  readonly sources: readonly LogStreamRef[];
  readonly maxEntries: number;
  /** Nothing that was read later. */
  readonly untilMs?: number | undefined;
}

export interface LogPage {
  readonly entries: readonly LogEntry[];
  readonly gaps: readonly LogGap[];
  readonly cursor: string;
  /** Everything that was there has been read. */
  readonly atEnd: boolean;
}

/**
 * Lines of all sources, by time. At the end of what has been written a line that has not ended is given as it is, as partial. A page may be empty
 * where the wanted lines are far away: so much is looked at for a page, and no more.
 */
export async function readPage(options: ReadOptions): Promise<LogPage> {
  const sources = uniqueSources(options.sources);
  const { filter = new LineFilter(), untilMs, maxEntries } = options;
  const { starts, unfinished } = await findStarts(sources, options);
  if (unfinished) return { entries: [], gaps: [], cursor: unfinished, atEnd: false };
  const merge = new Merge();
  for (const source of sources) merge.add(new SourceReader(source, starts.get(sourceKey(source)) ?? { from: "oldest" }));
  try {
    const page = new Page({ entries: maxEntries, bytes: mostBytes });
    let left: readonly Unit[] = [];
    let atEnd = false;
    while (!page.full && !atEnd) {
      const room = filter.isOpen ? page.room : siftedTogether;
      const units = await takeUnits(merge, room, untilMs);
      left = page.fill(units, await filter.select(units.map(({ entry }) => entry)));
      atEnd = units.length === 0;
    }
    const places = placesOf(merge.readers);
    for (const unit of left.toReversed()) putBack(places, unit);
    return { entries: page.entries, gaps: page.gaps, cursor: encodeCursor({ places }), atEnd };
  } finally {
    await Promise.all([...merge.readers].map((reader) => reader.close()));
  }
}

export interface Starts {
  /** By source key. */
  readonly starts: Map<string, Start>;
  /** There is more to look at before it is known where to begin: the cursor with which to go on looking. */
  readonly unfinished?: string;
}

export async function findStarts(
  sources: readonly LogStreamRef[],
  { cursor, tail, sinceMs, untilMs, filter = new LineFilter() }: ReadFrom & { readonly untilMs?: number | undefined },
): Promise<Starts> {
  const from = cursor ? decodeCursor(cursor) : undefined;
  const lines = from ? from.left : tail;
  if (lines === undefined || (from && lines === 0)) return { starts: from ? startsAt(from.places) : startsSince(sources, sinceMs) };
  const { places, left = 0 } = await findTail(sources, { lines, filter, sinceMs, untilMs, places: from?.places });
  return left > 0 ? { starts: new Map(), unfinished: encodeCursor({ places, left }) } : { starts: startsAt(places) };
}

export function placesOf(readers: Iterable<SourceReader>): Places {
  const places: Places = new Map();
  for (const { source, place } of readers) if (place) places.set(sourceKey(source), place);
  return places;
}

function startsAt(places: Places): Map<string, Start> {
  return new Map([...places].map(([key, place]) => [key, { from: "place", place }]));
}

function startsSince(sources: readonly LogStreamRef[], sinceMs: number | undefined): Map<string, Start> {
  if (sinceMs === undefined) return new Map();
  return new Map(sources.map((source) => [sourceKey(source), { from: "time", timeMs: sinceMs }]));
}

async function takeUnits(merge: Merge, room: Room, untilMs: number | undefined): Promise<Unit[]> {
  const units = await merge.take(room, untilMs);
  if (units.length > 0) return units;
  merge.breakLines(() => true);
  return merge.take(room, untilMs);
}

/** It was looked at and did not fit in: the next page begins with it. */
function putBack(places: Places, { before, entry }: Unit): void {
  if (before) places.set(sourceKey(entry), before);
  else places.delete(sourceKey(entry));
}
