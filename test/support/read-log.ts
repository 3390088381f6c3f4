import type { LogEntry, LogGap, LogStreamRef } from "../../src/logs/log-stream.ts";
import { readPage } from "../../src/logs/read-page.ts";

/** Everything of a log from its oldest line to its end, page by page. */
export async function* readLog(sources: readonly LogStreamRef[]): AsyncGenerator<{ entries: readonly LogEntry[]; gaps: readonly LogGap[] }> {
  for (let cursor: string | undefined; ; ) {
    const page = await readPage({ sources, cursor, maxEntries: 10_000 });
    yield page;
    if (page.atEnd) return;
    cursor = page.cursor;
  }
}

/** The numbers of a flood as a reader sees them, and how they are wrong. */
export class FloodReport {
  lines = 0;
  doubled = 0;
  missing = 0;
  /** Pieces of lines; a gap may leave one on either side. */
  torn = 0;
  gaps = 0;
  #next: number;

  constructor(first: number) {
    this.#next = first;
  }

  add({ entries, gaps }: { entries: readonly LogEntry[]; gaps: readonly LogGap[] }): void {
    this.gaps += gaps.length;
    for (const { bytes, partial } of entries) {
      if (partial || bytes.length !== 9) {
        this.torn++;
        continue;
      }
      const number = Number(bytes.toString("latin1"));
      this.lines++;
      if (number < this.#next) this.doubled++;
      else this.missing += number - this.#next;
      this.#next = Math.max(this.#next, number + 1);
    }
  }
}
