/** Others get their turn after so long. */
const turnMs = 4;

/** Work that comes in crowds, such as the ends of hundreds of services at once, done a few milliseconds at a time: in between pmd answers. */
export class Turns {
  readonly #waiting = new Set<() => void>();
  #begun = false;

  /** What waits already is not done twice. */
  soon(work: () => void): void {
    this.#waiting.add(work);
    this.#begin();
  }

  #begin(): void {
    if (this.#begun || this.#waiting.size === 0) return;
    this.#begun = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    const end = performance.now() + turnMs;
    try {
      for (const work of this.#waiting) {
        this.#waiting.delete(work);
        work();
        if (performance.now() >= end) return;
      }
    } finally {
      this.#begun = false;
      this.#begin();
    }
  }
}
