import { closeSync, openSync, renameSync, rmSync, writeSync } from "node:fs";

const reserveBytes = 256 * 1024;
const againMs = 60_000;

/**
 * Room that is kept for a full disk, as a file that nobody reads: when it is removed, what must be stored can be. So `stop` works when nothing
 * else does.
 */
export class DiskReserve {
  readonly #path: string;
  #held = false;
  #triedAt = Number.NEGATIVE_INFINITY;

  constructor(path: string) {
    this.#path = path;
  }

  /** Not at once again where there was no room for it. */
  hold(): void {
    const now = performance.now();
    if (this.#held || now - this.#triedAt < againMs) return;
    this.#triedAt = now;
    const unfinished = `${this.#path}.new`;
    try {
      const fd = openSync(unfinished, "w", 0o600);
      try {
        for (let left = reserveBytes; left > 0; ) left -= writeSync(fd, Buffer.alloc(left));
      } finally {
        closeSync(fd);
      }
      renameSync(unfinished, this.#path);
      this.#held = true;
    } catch {
      // The disk is nearly full as it is: better none than the last of it.
      rmSync(unfinished, { force: true });
    }
  }

  /** Says whether there is more room now. */
  release(): boolean {
    const held = this.#held;
    this.#held = false;
    this.#triedAt = performance.now();
    rmSync(this.#path, { force: true });
    return held;
  }
}
