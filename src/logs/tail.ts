import { BackwardLines, type LineStart } from "./backward-lines.ts";
import type { Places } from "./cursor.ts";
import { type LogStreamRef, sourceKey } from "./log-stream.ts";

export interface TailOptions {
  readonly lines: number;
  /** No line before this time. */
  readonly sinceMs?: number | undefined;
}

/** Where each source stands before the last lines of all of them together. Sources without a file have no place yet. */
export async function findTail(sources: readonly LogStreamRef[], { lines, sinceMs = 0 }: TailOptions): Promise<Places> {
  const places: Places = new Map();
  const readers = await Promise.all(sources.map((source) => BackwardLines.open(source.path)));
  try {
    const candidates: (LineStart | undefined)[] = await Promise.all(readers.map((reader) => reader?.previous()));
    sources.forEach((source, i) => {
      const end = readers[i]?.end;
      if (end) places.set(sourceKey(source), end);
    });
    for (let left = lines; left > 0; left--) {
      const newest = indexOfNewest(candidates);
      const line = candidates[newest];
      const source = sources[newest];
      if (!line || !source || line.timeUs < sinceMs * 1000) break;
      places.set(sourceKey(source), line.place);
      candidates[newest] = await readers[newest]?.previous();
    }
    return places;
  } finally {
    await Promise.all(readers.map((reader) => reader?.close()));
  }
}

/** Of equal times the last source: the merge of lines puts it last. */
function indexOfNewest(candidates: readonly (LineStart | undefined)[]): number {
  let newest = -1;
  let newestUs = -1;
  for (const [i, candidate] of candidates.entries()) {
    if (!candidate || candidate.timeUs < newestUs) continue;
    newest = i;
    newestUs = candidate.timeUs;
  }
  return newest;
}
