/** At most this many processes are being made at once, so that a mass start leaves pmd time to answer. */
export const startsTogether = 16;

/** Instances that find it closed wait, in the order in which they came, until somebody leaves. */
export class StartGate<Who> {
  readonly #inside = new Set<Who>();
  readonly #waiting = new Set<Who>();
  readonly #admit: (who: Who) => void;

  constructor(admit: (who: Who) => void) {
    this.#admit = admit;
  }

  get open(): boolean {
    return this.#inside.size < startsTogether;
  }

  wait(who: Who): void {
    this.#waiting.add(who);
    if (this.open) setImmediate(() => this.#admitNext());
  }

  enter(who: Who): void {
    this.#waiting.delete(who);
    this.#inside.add(who);
  }

  /** Out of the gate, or out of the queue before it. */
  leave(who: Who): void {
    this.#waiting.delete(who);
    if (this.#inside.delete(who) && this.#waiting.size > 0) setImmediate(() => this.#admitNext());
  }

  #admitNext(): void {
    const [next] = this.#waiting;
    if (next !== undefined && this.open) this.#admit(next);
  }
}
