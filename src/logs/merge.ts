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

  /** The next unit of all; undefined at the end of what has been written. */
  async next(): Promise<Unit | undefined> {
    if (this.#hungry.size > 0) await this.#feed();
    let first: SourceReader | undefined;
    for (const reader of this.#ready) if (!first || timeOf(reader) < timeOf(first)) first = reader;
    if (!first) return undefined;
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

/** What fits into one answer. */
export class Page {
  readonly entries: Unit["entry"][] = [];
  readonly gaps: LogGap[] = [];
  readonly #most: { readonly entries: number; readonly bytes: number };
  #bytes = 0;

  constructor(most: { readonly entries: number; readonly bytes: number }) {
    this.#most = most;
  }

  get full(): boolean {
    return this.entries.length >= this.#most.entries || this.#bytes >= this.#most.bytes;
  }

  get empty(): boolean {
    return this.entries.length === 0;
  }

  add({ entry, gaps }: Unit): void {
    this.entries.push(entry);
    this.gaps.push(...gaps);
    this.#bytes += entry.bytes.length;
  }
}
