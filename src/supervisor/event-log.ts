import { cursorExpired, invalidCursor } from "../errors.ts";
import type { Store, StoredEvent } from "./store.ts";
import { Wake } from "./wake.ts";

export type NewEvent = Pick<StoredEvent, "type" | "message"> & Partial<Pick<StoredEvent, "subject" | "runId" | "attributes" | "exit">>;

export interface EventPage {
  readonly events: StoredEvent[];
  readonly cursor: string;
  readonly atEnd: boolean;
  /** Events that were gone already when they were to be read. */
  readonly dropped: number;
}

const pageSize = 256;

/** Numbered facts. They are on disk, and everybody reads them from there at their own pace. */
export class EventLog {
  readonly #store: Store;
  readonly #wallTime: () => number;
  readonly #wake = new Wake();
  #newest: number;

  constructor(store: Store, wallTime: () => number) {
    this.#store = store;
    this.#wallTime = wallTime;
    this.#newest = store.eventRange().newest;
  }

  append({ type, message, subject = "", runId = "", attributes = {}, exit }: NewEvent): void {
    this.#newest += 1;
    this.#store.appendEvent({ sequence: this.#newest, at: this.#wallTime(), type, subject, runId, message, attributes, ...(exit && { exit }) });
    this.#wake.notify();
  }

  /** The cursor that stands before the last `count` events that are admitted. */
  cursorBefore(count: number, admits: (event: StoredEvent) => boolean): string {
    let left = count;
    let before = this.#newest;
    while (left > 0 && before > 0) {
      const page = this.#store.readEvents(Math.max(0, before - pageSize), pageSize).filter(({ sequence }) => sequence <= before);
      if (page.length === 0) break;
      for (const event of page.reverse()) {
        if (left === 0) break;
        before = event.sequence - 1;
        if (admits(event)) left -= 1;
      }
    }
    return this.#cursor(before);
  }

  get oldestCursor(): string {
    return this.#cursor(0);
  }

  read(cursor: string, limit: number): EventPage {
    const after = this.#parse(cursor);
    const events = this.#store.readEvents(after, limit);
    const last = events.at(-1)?.sequence ?? Math.max(after, this.#newest);
    const oldest = this.#store.eventRange().oldest;
    const dropped = after > 0 && oldest > after + 1 ? oldest - after - 1 : 0;
    return { events, cursor: this.#cursor(last), atEnd: last >= this.#newest, dropped };
  }

  /** Pages as they come; an empty one after `idleMs` of silence, as a sign of life. */
  async *follow(cursor: string, signal: AbortSignal, idleMs: number): AsyncGenerator<EventPage> {
    for (let at = cursor; !signal.aborted; ) {
      const page = this.read(at, pageSize);
      at = page.cursor;
      if (page.events.length > 0 || page.dropped > 0) {
        yield page;
        continue;
      }
      const silence = AbortSignal.timeout(idleMs);
      await this.#wake.wait(AbortSignal.any([signal, silence]));
      if (silence.aborted && !signal.aborted) yield page;
    }
  }

  #cursor(sequence: number): string {
    return `${this.#store.epoch}.${sequence}`;
  }

  #parse(cursor: string): number {
    const match = /^([A-Za-z0-9_-]+)\.(\d{1,15})$/.exec(cursor);
    if (!match) throw invalidCursor();
    if (match[1] !== this.#store.epoch || Number(match[2]) > this.#newest) throw cursorExpired();
    return Number(match[2]);
  }
}
