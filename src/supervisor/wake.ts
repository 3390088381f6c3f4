/** Something may have changed: look again. Whoever waits is woken once by the next notification. */
export class Wake {
  #next = Promise.withResolvers<void>();

  notify(): void {
    const woken = this.#next;
    this.#next = Promise.withResolvers<void>();
    woken.resolve();
  }

  /** Resolves at the next notification, or when the signal is aborted: the caller looks at both. */
  wait(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        signal.removeEventListener("abort", done);
        resolve();
      };
      signal.addEventListener("abort", done);
      this.#next.promise.then(done, done);
    });
  }
}
