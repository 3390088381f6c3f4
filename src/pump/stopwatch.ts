/** Time that adds up while it runs. */
export class Stopwatch {
  #startedAt: number | undefined;
  #pastMs = 0;

  /** Does nothing where it runs. */
  start(now: number): void {
    this.#startedAt ??= now;
  }

  stop(now: number): void {
    if (this.#startedAt !== undefined) this.#pastMs += now - this.#startedAt;
    this.#startedAt = undefined;
  }

  at(now: number): number {
    return this.#pastMs + (this.#startedAt === undefined ? 0 : now - this.#startedAt);
  }
}
