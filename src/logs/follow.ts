import { basename, dirname } from "node:path";
import { encodeCursor, type Places } from "./cursor.ts";
import { DirectoryWatch } from "./directory-watch.ts";
import type { Start } from "./entrance.ts";
import { LineFilter } from "./line-filter.ts";
import { type LogEntry, type LogGap, type LogStreamRef, sourceKey, uniqueSources } from "./log-stream.ts";
import { Merge, Page } from "./merge.ts";
import { findStarts, placesOf, type ReadFrom, siftedTogether } from "./read-page.ts";
import { endOfStream } from "./segment.ts";
import { SourceReader } from "./source-reader.ts";

// Following is reading that waits at the end. Nothing is pushed: the next batch is read when the last one has been taken, so a slow follower costs
// nothing but its place in the files, and loses nothing but what is rotated away before it comes there.
//
// It is woken by inotify, which may be used up, or overflow: so what is not watched is looked at every second, and everything every ten. In a flood
// inotify would tell of every single write while there is enough to read anyway; then its watches are closed until the end is reached.

const mostInBatch = { entries: 256, bytes: 256 * 1024 };
const heartbeatMs = 15_000;
const lookMs = 1000;
/** Every so many looks, at everything. */
const lookAtAll = 10;
/** How long the rest of a line is waited for. */
const lineMs = 1000;
/** So many changes between two batches are a flood. */
const floodChanges = 100;

export interface FollowOptions extends ReadFrom {
  /** May give others from time to time: instances come and go. */
  readonly sources: () => readonly LogStreamRef[];
}

export interface LogBatch {
  readonly entries: readonly LogEntry[];
  readonly gaps: readonly LogGap[];
  readonly cursor: string;
  /** There is nothing more to read just now. Without entries it is a heartbeat. */
  readonly caughtUp: boolean;
  /** From the cursor to the end of what has been written; looked up once a second while there is more to read. */
  readonly lagBytes: number;
}

/** Ends when the signal is aborted. */
export async function* follow(options: FollowOptions, signal: AbortSignal): AsyncGenerator<LogBatch> {
  const follower = new Follower(options, signal);
  try {
    for (let cursor = options.cursor; !signal.aborted; ) {
      const unfinished = await follower.open(cursor);
      if (!unfinished) break;
      // The last lines are far away: whoever waits for them learns that somebody is looking for them, and how to go on.
      cursor = unfinished;
      yield { entries: [], gaps: [], cursor, caughtUp: false, lagBytes: 0 };
    }
    while (!signal.aborted) {
      const batch = await follower.nextBatch();
      if (batch) yield batch;
    }
  } finally {
    await follower.close();
  }
}

class Follower {
  readonly #options: FollowOptions;
  readonly #filter: LineFilter;
  readonly #signal: AbortSignal;
  readonly #merge = new Merge();
  readonly #readers = new Map<string, SourceReader>();
  readonly #watch = new DirectoryWatch((directory, name) => this.#changed(directory, name));
  /** Of sources that have gone: they may come back. */
  readonly #pastPlaces: Places = new Map();
  #starts: Map<string, Start> = new Map();
  /** By both clocks: when it was opened. */
  #begun: { readonly at: number; readonly now: number } | undefined;
  /** When the line in hand of a source was first seen without its end. */
  readonly #waitingLines = new Map<SourceReader, { place: number; since: number }>();
  #ends = new Map<SourceReader, number>();
  #endsLookedAt = Number.NEGATIVE_INFINITY;
  #stirred = false;
  #resume: (() => void) | undefined;
  #changes = 0;
  #looks = 0;
  #lookedAt = performance.now();
  #lastBatchAt = Number.NEGATIVE_INFINITY;
  #saidCaughtUp = false;

  constructor(options: FollowOptions, signal: AbortSignal) {
    this.#options = options;
    this.#filter = options.filter ?? new LineFilter();
    this.#signal = signal;
  }

  /** Returns the cursor with which to open it again when it is not known yet where to begin. */
  async open(cursor: string | undefined): Promise<string | undefined> {
    const begun = { at: Date.now(), now: performance.now() };
    const sources = uniqueSources(this.#options.sources());
    const { starts, unfinished } = await findStarts(sources, { ...this.#options, cursor });
    if (unfinished) return unfinished;
    this.#starts = starts;
    this.#updateSources();
    this.#begun = begun;
    return undefined;
  }

  async close(): Promise<void> {
    this.#watch.close();
    await Promise.all([...this.#readers.values()].map((reader) => reader.close()));
  }

  /** Undefined when there was nothing to say. */
  async nextBatch(): Promise<LogBatch | undefined> {
    this.#lookAround();
    const page = new Page(mostInBatch);
    let caughtUp = false;
    while (!page.full && !caughtUp) {
      const units = await this.#merge.take(this.#filter.isOpen ? page.room : siftedTogether);
      const wanted = await this.#filter.select(units.map(({ entry }) => entry));
      for (const [i, unit] of units.entries()) page.add(unit, wanted[i] === true);
      // Watched from before the last look on, so that nothing is missed between the look and the wait.
      if (units.length === 0) caughtUp = !this.#startWatching() && !this.#breakOldLines();
    }
    const heartbeat = performance.now() - this.#lastBatchAt >= heartbeatMs;
    if (page.empty && caughtUp && this.#saidCaughtUp && !heartbeat) {
      await this.#wait();
      return undefined;
    }
    this.#saidCaughtUp = caughtUp;
    this.#lastBatchAt = performance.now();
    return { entries: page.entries, gaps: page.gaps, cursor: this.#cursor(), caughtUp, lagBytes: await this.#lag(caughtUp) };
  }

  /** At the end nothing is asked: what is in hand of lines that have not ended is all there is. */
  async #lag(caughtUp: boolean): Promise<number> {
    const readers = [...this.#readers.values()];
    if (caughtUp) return readers.reduce((sum, { pendingBytes }) => sum + pendingBytes, 0);
    const now = performance.now();
    if (now - this.#endsLookedAt >= lookMs) {
      this.#endsLookedAt = now;
      this.#ends = new Map(await Promise.all(readers.map(async (reader) => [reader, await endOfStream(reader.source.path)] as const)));
    }
    return readers.reduce((sum, reader) => sum + Math.max(0, (this.#ends.get(reader) ?? 0) - (reader.place?.position ?? 0)), 0);
  }

  #cursor(): string {
    return encodeCursor({ places: new Map([...this.#pastPlaces, ...placesOf(this.#readers.values())]) });
  }

  #updateSources(): void {
    const sources = uniqueSources(this.#options.sources());
    const wanted = new Map(sources.map((source) => [sourceKey(source), source]));
    for (const [key, reader] of this.#readers) {
      if (wanted.get(key)?.path === reader.source.path) continue;
      this.#readers.delete(key);
      this.#merge.remove(reader);
      if (reader.place) this.#pastPlaces.set(key, reader.place);
      void reader.close();
    }
    for (const [key, source] of wanted) {
      if (this.#readers.has(key)) continue;
      const past = this.#pastPlaces.get(key);
      const reader = new SourceReader(source, past ? { from: "place", place: past } : (this.#starts.get(key) ?? this.#laterStart()));
      this.#readers.set(key, reader);
      this.#merge.add(reader);
    }
  }

  /**
   * What a source that appears later has said in an earlier life is not asked for. Where the clock was set back meanwhile, what it says now has an
   * earlier time than the beginning had.
   */
  #laterStart(): Start {
    if (!this.#begun) return { from: "oldest" };
    const { at, now } = this.#begun;
    return { from: "time", timeMs: Math.min(at, Date.now() - Math.ceil(performance.now() - now)) };
  }

  /** True when a watch begins only now: its sources have to be looked at once more. */
  #startWatching(): boolean {
    this.#changes = 0;
    const directories = new Set([...this.#readers.values()].map(({ source }) => dirname(source.path)));
    const begun = this.#watch.watch(directories);
    for (const directory of begun) this.#wake(({ source }) => dirname(source.path) === directory);
    return begun.length > 0;
  }

  #changed(directory: string, name: string | null): void {
    this.#wake(({ source }) => dirname(source.path) === directory && (name === null || name.startsWith(basename(source.path))));
    this.#stirred = true;
    this.#resume?.();
    if (++this.#changes > floodChanges) this.#watch.close();
  }

  #wake(which: (reader: SourceReader) => boolean): void {
    for (const reader of this.#readers.values()) if (which(reader)) this.#merge.wake(reader);
  }

  /** Lines that have waited long enough for their end are given as they are. */
  #breakOldLines(): boolean {
    const now = performance.now();
    for (const reader of this.#readers.values()) {
      const place = reader.place?.position ?? 0;
      const waiting = this.#waitingLines.get(reader);
      if (reader.pendingBytes === 0) this.#waitingLines.delete(reader);
      else if (waiting?.place !== place) this.#waitingLines.set(reader, { place, since: now });
    }
    const old = new Set([...this.#waitingLines].filter(([, { since }]) => now - since >= lineMs).map(([reader]) => reader));
    if (old.size > 0) this.#merge.breakLines((reader) => old.has(reader));
    for (const reader of old) this.#waitingLines.delete(reader);
    return old.size > 0;
  }

  /** Until something stirs, or it is time to look at what inotify may have missed, or at a line that waits for its end. */
  async #wait(): Promise<void> {
    if (!this.#stirred && !this.#signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const oldest = Math.min(...[...this.#waitingLines.values()].map(({ since }) => since));
      const timer = setTimeout(resolve, Math.max(0, Math.min(lookMs, oldest + lineMs - performance.now())));
      const abort = (): void => resolve();
      this.#signal.addEventListener("abort", abort, { once: true });
      this.#resume = resolve;
      await promise;
      this.#resume = undefined;
      clearTimeout(timer);
      this.#signal.removeEventListener("abort", abort);
    }
    this.#stirred = false;
  }

  #lookAround(): void {
    const now = performance.now();
    if (now - this.#lookedAt < lookMs) return;
    this.#lookedAt = now;
    this.#updateSources();
    const all = ++this.#looks % lookAtAll === 0;
    this.#wake(({ source }) => all || !this.#watch.isWatched(dirname(source.path)));
  }
}
