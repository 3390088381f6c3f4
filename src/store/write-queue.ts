import type { Resting, StoredEvent, StoredExit, StoredRun } from "../supervisor/store.ts";

export type Write =
  | { readonly kind: "resting"; readonly instance: string; readonly resting: Resting | undefined }
  | { readonly kind: "begin"; readonly run: StoredRun }
  | { readonly kind: "end"; readonly runId: string; readonly end: StoredExit }
  | { readonly kind: "complete"; readonly runId: string; readonly end: StoredExit }
  | { readonly kind: "event"; readonly event: StoredEvent };

/**
 * What waits for the next transaction, in order. It is bounded for the case of a disk that stays full: then the oldest events go. The
 * beginnings and ends of runs stay, whatever comes: a run that has no end in the store looks alive to the next pmd.
 */
export class WriteQueue {
  readonly #writes: Write[] = [];
  readonly #limit: number;
  #events = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get length(): number {
    return this.#writes.length;
  }

  get isFull(): boolean {
    return this.#writes.length >= this.#limit;
  }

  add(write: Write): void {
    if (this.isFull) this.#dropOldestEvent();
    if (write.kind === "event") this.#events++;
    this.#writes.push(write);
  }

  [Symbol.iterator](): Iterator<Write> {
    return this.#writes.values();
  }

  clear(): void {
    this.#writes.length = 0;
    this.#events = 0;
  }

  #dropOldestEvent(): void {
    if (this.#events === 0) return;
    this.#writes.splice(
      this.#writes.findIndex(({ kind }) => kind === "event"),
      1,
    );
    this.#events--;
  }
}
