/** A number of places; who finds none waits, and the first who came is the first to get one. */
export class Places {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(count: number) {
    this.#free = count;
  }

  /** Resolves with a place, also when the signal is aborted: who has come so far gives it back like any other. */
  async take(signal: AbortSignal): Promise<void> {
    if (this.#free > 0 || signal.aborted) {
      this.#free--;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    const giveUp = () => {
      if (this.#waiting.delete(resolve)) this.#free--;
      resolve();
    };
    signal.addEventListener("abort", giveUp, { once: true });
    this.#waiting.add(resolve);
    await promise;
    signal.removeEventListener("abort", giveUp);
  }

  leave(): void {
    const [next] = this.#waiting;
    // Below zero are those that went in with their signal aborted.
    if (next && this.#free >= 0) {
      this.#waiting.delete(next);
      next();
    } else {
      this.#free++;
    }
  }
}
