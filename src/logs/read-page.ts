import { decodeCursor, encodeCursor, type Places } from "./cursor.ts";
import type { Start } from "./entrance.ts";
import { type LogEntry, type LogGap, type LogStreamRef, sourceKey, uniqueSources } from "./log-stream.ts";
import { Merge, Page } from "./merge.ts";
import { SourceReader } from "./source-reader.ts";
import { findTail } from "./tail.ts";

/** An answer stays below what one message may carry, however long the lines are. */
const mostBytes = 1024 * 1024;

export interface ReadFrom {
  /** Of an earlier page; sources that are not in it are read from their beginning. */
  readonly cursor?: string | undefined;
  /** Without a cursor: the last so many lines of all sources together. Undefined begins with the oldest, 0 reads nothing old. */
  readonly tail?: number | undefined;
  /** Without a cursor: nothing that was read before. */
  readonly sinceMs?: number | undefined;
}

export interface LogPage {
  readonly entries: readonly LogEntry[];
  readonly gaps: readonly LogGap[];
  readonly cursor: string;
  /** Everything that was there has been read. */
  readonly atEnd: boolean;
}

/** Lines of all sources, by time. At the end of what has been written a line that has not ended is given as it is, as partial. */
export async function readPage(options: ReadFrom & { readonly sources: readonly LogStreamRef[]; readonly maxEntries: number }): Promise<LogPage> {
  const sources = uniqueSources(options.sources);
  const starts = await findStarts(sources, options);
  const merge = new Merge();
  for (const source of sources) merge.add(new SourceReader(source, starts.get(sourceKey(source)) ?? { from: "oldest" }));
  try {
    const page = new Page({ entries: options.maxEntries, bytes: mostBytes });
    let atEnd = false;
    while (!page.full && !atEnd) {
      const unit = (await merge.next()) ?? (await breakAndTake(merge));
      if (unit) page.add(unit);
      else atEnd = true;
    }
    return { entries: page.entries, gaps: page.gaps, cursor: encodeCursor(placesOf(merge.readers)), atEnd };
  } finally {
    await Promise.all([...merge.readers].map((reader) => reader.close()));
  }
}

export async function findStarts(sources: readonly LogStreamRef[], { cursor, tail, sinceMs }: ReadFrom): Promise<Map<string, Start>> {
  if (cursor) return startsAt(decodeCursor(cursor));
  if (tail !== undefined) return startsAt(await findTail(sources, { lines: tail, sinceMs }));
  if (sinceMs === undefined) return new Map();
  return new Map(sources.map((source) => [sourceKey(source), { from: "time", timeMs: sinceMs }]));
}

export function placesOf(readers: Iterable<SourceReader>): Places {
  const places: Places = new Map();
  for (const { source, place } of readers) if (place) places.set(sourceKey(source), place);
  return places;
}

function startsAt(places: Places): Map<string, Start> {
  return new Map([...places].map(([key, place]) => [key, { from: "place", place }]));
}

async function breakAndTake(merge: Merge) {
  merge.breakLines(() => true);
  return merge.next();
}
