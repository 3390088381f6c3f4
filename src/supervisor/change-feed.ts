import { Wake } from "./wake.ts";

/**
 * Tells watchers which names have changed. Each watcher has a set of names, not a queue: a slow one gets fewer, newer states, and its memory
 * is bounded by the number of names.
 */
export class ChangeFeed {
  readonly #watchers = new Set<{ names: Set<string>; wake: Wake }>();

  changed(name: string): void {
    for (const watcher of this.#watchers) {
      watcher.names.add(name);
      watcher.wake.notify();
    }
  }

  /** Each batch is all that has changed since the one before was taken. An empty one comes after `idleMs` of silence, as a sign of life. */
  async *watch(signal: AbortSignal, idleMs: number): AsyncGenerator<ReadonlySet<string>> {
    const watcher = { names: new Set<string>(), wake: new Wake() };
    this.#watchers.add(watcher);
    try {
      while (!signal.aborted) {
        if (watcher.names.size === 0) await watcher.wake.wait(AbortSignal.any([signal, AbortSignal.timeout(idleMs)]));
        if (signal.aborted) return;
        const batch = watcher.names;
        watcher.names = new Set();
        yield batch;
      }
    } finally {
      this.#watchers.delete(watcher);
    }
  }
}
