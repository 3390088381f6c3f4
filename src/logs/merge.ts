import type { LogGap } from "./log-stream.ts";
import type { SourceReader, Unit } from "./source-reader.ts";

/** Many streams as one: by time, where equal by the order of the sources, and each source in its own order always. */
export class Merge {
  readonly #readers = new Set<SourceReader>();
  /** Those that may have more. */
  readonly #hungry = new Set<SourceReader>();
  /** Those that have a unit. */
  #ready: SourceReader[] = [];

  add(reader: SourceReader): void {
    this.#readers.add(reader);
    this.#hungry.add(reader);
  }

  remove(reader: SourceReader): void {
    this.#readers.delete(reader);
    this.#hungry.delete(reader);
    this.#ready = this.#ready.filter((other) => other !== reader);
  }

  /** Something may have been written to it. */
  wake(reader: SourceReader): void {
    if (this.#readers.has(reader) && !this.#ready.includes(reader)) this.#hungry.add(reader);
  }

  get readers(): Iterable<SourceReader> {
    return this.#readers;
  }

  /** The next units of all, so many at most; none at the end of what has been written, and of the time that is asked for. */
  async take(most: Room, untilMs = Number.POSITIVE_INFINITY): Promise<Unit[]> {
    const units: Unit[] = [];
    for (let bytes = 0; units.length < most.entries && bytes < most.bytes; ) {
      const unit = await this.#next(untilMs);
      if (!unit) break;
      units.push(unit);
      bytes += unit.entry.bytes.length;
    }
    return units;
  }

  async #next(untilMs: number): Promise<Unit | undefined> {
    if (this.#hungry.size > 0) await this.#feed();
    let first: SourceReader | undefined;
    for (const reader of this.#ready) if (!first || timeOf(reader) < timeOf(first)) first = reader;
    if (!first || timeOf(first) >= (untilMs + 1) * 1000) return undefined;
    const unit = first.take();
    if (!first.peek()) {
      this.#ready.splice(this.#ready.indexOf(first), 1);
      this.#hungry.add(first);
    }
    return unit;
  }

  /** Does not wait for the rest of lines that have begun, where `which` says so. */
  breakLines(which: (reader: SourceReader) => boolean): void {
    const broken = [...this.#readers].filter((reader) => reader.pendingBytes > 0 && which(reader));
    for (const reader of broken) reader.breakLine();
    this.#setReady(broken);
  }

  async #feed(): Promise<void> {
    const hungry = [...this.#hungry];
    this.#hungry.clear();
    await Promise.all(hungry.map((reader) => reader.fill()));
    this.#setReady(hungry.filter((reader) => reader.peek()));
  }

  #setReady(more: readonly SourceReader[]): void {
    const ready = new Set([...this.#ready, ...more]);
    this.#ready = [...this.#readers].filter((reader) => ready.has(reader));
  }
}

function timeOf(reader: SourceReader): number {
  const unit = reader.peek();
  return unit?.timeUs ?? Number.POSITIVE_INFINITY;
}

export interface Room {
  readonly entries: number;
  readonly bytes: number;
}

/** So many bytes are looked at for one answer, whether or not there is a wanted line among them. */
export const mostScanned = 8 * 1024 * 1024;

/** What fits into one answer. */
export class Page {
  readonly entries: Unit["entry"][] = [];
  readonly gaps: LogGap[] = [];
  readonly #most: Room;
  #bytes = 0;
  #scanned = 0;

  constructor(most: Room) {
    this.#most = most;
  }

  get full(): boolean {
    return this.entries.length >= this.#most.entries || this.#bytes >= this.#most.bytes || this.#scanned >= mostScanned;
  }

  get room(): Room {
    return { entries: this.#most.entries - this.entries.length, bytes: this.#most.bytes - this.#bytes };
  }

  get empty(): boolean {
    return this.entries.length === 0 && this.gaps.length === 0;
  }

  /** Takes what is wanted, as far as there is room, and returns the units that are left. */
  fill(units: readonly Unit[], wanted: readonly boolean[]): readonly Unit[] {
    for (const [i, unit] of units.entries()) {
      if (wanted[i] && this.full) return units.slice(i);
      this.add(unit, wanted[i] === true);
    }
    return [];
  }

  /** Gaps are for everybody. */
  add({ entry, gaps }: Unit, isWanted: boolean): void {
    this.gaps.push(...gaps);
    this.#scanned += entry.bytes.length;
    if (!isWanted) return;
    this.entries.push(entry);
    this.#bytes += entry.bytes.length;
  }
}
