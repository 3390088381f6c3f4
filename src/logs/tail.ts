import { type BackwardLine, BackwardLines } from "./backward-lines.ts";
import type { Places } from "./cursor.ts";
import type { LineFilter } from "./line-filter.ts";
import { type LogStreamRef, sourceKey } from "./log-stream.ts";
import { mostScanned } from "./merge.ts";

export interface TailOptions {
  readonly lines: number;
  readonly filter: LineFilter;
  /** No line before this time. */
  readonly sinceMs?: number | undefined;
  /** None after it. */
  readonly untilMs?: number | undefined;
  /** Of a search that was not finished: goes on where it was. */
  readonly places?: Places | undefined;
}

export interface Tail {
  /** Where each source stands before those lines. Sources without a file have no place yet. */
  readonly places: Places;
  /** How many are still to be found: there is more to look at than one call may. */
  readonly left: number;
}

/** Finds the last wanted lines of all sources together, from the end to the beginning. */
export async function findTail(sources: readonly LogStreamRef[], options: TailOptions): Promise<Tail> {
  const { filter, sinceMs = 0, untilMs } = options;
  const places: Places = new Map(options.places);
  const readers = await Promise.all(sources.map((source) => openSource(source, options)));
  try {
    const candidates = await Promise.all(readers.map((reader) => reader?.next()));
    sources.forEach((source, i) => {
      const end = readers[i]?.end;
      if (end && !places.has(sourceKey(source))) places.set(sourceKey(source), end);
    });
    let left = options.lines;
    for (let scanned = 0; left > 0; ) {
      const newest = indexOfNewest(candidates);
      const found = candidates[newest];
      const source = sources[newest];
      if (!found || !source || found.line.timeUs < sinceMs * 1000) return { places, left: 0 };
      if (scanned >= mostScanned) break;
      scanned += found.line.bytes.length;
      places.set(sourceKey(source), found.line.place);
      if (found.isWanted) left--;
      candidates[newest] = await readers[newest]?.next();
    }
    return { places, left };
  } finally {
    await Promise.all(readers.map((reader) => reader?.close()));
  }

  async function openSource(source: LogStreamRef, { places }: TailOptions): Promise<SiftedLines | undefined> {
    const place = places?.get(sourceKey(source));
    // A source that had no file when the search was begun is not searched.
    if (places && !place) return undefined;
    const lines = await BackwardLines.open(source.path, { place, untilMs });
    return lines && new SiftedLines(lines, filter);
  }
}

interface SiftedLine {
  readonly line: BackwardLine;
  readonly isWanted: boolean;
}

/** So many lines are looked at together: a question to another thread costs as much as a hundred lines. */
const together = { lines: 256, bytes: 256 * 1024 };

/** The lines of one source from its end, with what the filter says of each. */
class SiftedLines {
  readonly #lines: BackwardLines;
  readonly #filter: LineFilter;
  #ahead: SiftedLine[] = [];

  constructor(lines: BackwardLines, filter: LineFilter) {
    this.#lines = lines;
    this.#filter = filter;
  }

  get end() {
    return this.#lines.end;
  }

  async next(): Promise<SiftedLine | undefined> {
    if (this.#ahead.length === 0) this.#ahead = await this.#sift();
    return this.#ahead.pop();
  }

  close(): Promise<void> {
    return this.#lines.close();
  }

  /** Oldest first. */
  async #sift(): Promise<SiftedLine[]> {
    const lines: BackwardLine[] = [];
    const most = this.#filter.isOpen ? 1 : together.lines;
    for (let bytes = 0; lines.length < most && bytes < together.bytes; ) {
      const line = await this.#lines.previous();
      if (!line) break;
      lines.push(line);
      bytes += line.bytes.length;
    }
    const wanted = await this.#filter.select(lines);
    return lines.map((line, i) => ({ line, isWanted: wanted[i] === true })).reverse();
  }
}

/** Of equal times the last source: the merge of lines puts it last. */
function indexOfNewest(candidates: readonly (SiftedLine | undefined)[]): number {
  let newest = -1;
  let newestUs = -1;
  for (const [i, candidate] of candidates.entries()) {
    if (!candidate || candidate.line.timeUs < newestUs) continue;
    newest = i;
    newestUs = candidate.line.timeUs;
  }
  return newest;
}
