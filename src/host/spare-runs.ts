import { randomBytes } from "node:crypto";
import { closeSync, constants, mkdirSync, openSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { failpoint } from "../failpoint.ts";
import { isPopulated, makeCgroup, removeCgroup } from "./cgroup.ts";
import { ShimMaker } from "./shim-maker.ts";
import { isShortage } from "./shortage.ts";

/** A run directory with its FIFOs, and its shim waiting in it: all of a start that does not depend on what is started. */
export interface SpareRun {
  readonly directory: string;
  /** Empty where there is none. */
  readonly cgroup: string;
  /** The FIFO on which the shim waits for its word, open: when it is closed without one, the shim goes. */
  readonly go: number;
}

export interface SpareSettings {
  readonly folder: string;
  readonly shimPath: string;
  /** Empty where there are none. */
  readonly cgroupRoot: string;
  /** How many are kept. */
  readonly wanted: number;
  /** Takes a directory away at once, and resolves when it has been removed. */
  readonly discard: (directory: string) => Promise<void>;
}

/** Under load so many are made at once. */
const mostAtOnce = 32;

/**
 * Spares are made ahead, because making FIFOs takes a program, moving into a cgroup takes the kernel milliseconds, and Node forks the slower the
 * larger it is. When this process ends, however it ends, the FIFO `go` has no writer any more, and their shims go.
 */
export class SpareRuns {
  readonly #settings: SpareSettings;
  readonly #maker: ShimMaker;
  #ready: SpareRun[] = [];
  #waiting: PromiseWithResolvers<SpareRun>[] = [];
  #filling: Promise<void> | undefined;
  /** Names of those that were not finished, and could not be cleared away just then. */
  #unfinished: readonly string[] = [];
  #closed = false;

  constructor(settings: SpareSettings) {
    this.#settings = settings;
    this.#maker = new ShimMaker(settings.shimPath, settings.folder, settings.cgroupRoot);
    mkdirSync(settings.folder, { recursive: true, mode: 0o711 });
    for (const name of readdirSync(settings.folder)) void this.#discardLeftover(join(settings.folder, name));
    this.#fillUp();
  }

  /** Rejects when none can be made. */
  take(): Promise<SpareRun> {
    const spare = this.#ready.shift();
    if (this.#ready.length < this.#settings.wanted / 2) this.#fillUp();
    if (spare) return Promise.resolve(spare);
    const waiting = Promise.withResolvers<SpareRun>();
    this.#waiting.push(waiting);
    return waiting.promise;
  }

  /** Resolves when nothing is left of those that were not taken. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#filling;
    this.#maker.close();
    await Promise.all(this.#ready.splice(0).map((spare) => this.discard(spare)));
    await this.#clearUnfinished();
  }

  #fillUp(): void {
    if (this.#closed) return;
    this.#filling ??= this.#fill().finally(() => {
      this.#filling = undefined;
    });
  }

  async #fill(): Promise<void> {
    try {
      do {
        const count = Math.min(mostAtOnce, Math.max(this.#settings.wanted - this.#ready.length, 2 * this.#waiting.length));
        for (const spare of await this.#make(count)) this.#offer(spare);
      } while (this.#waiting.length > 0 && !this.#closed);
    } catch (error) {
      for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
    }
  }

  #offer(spare: SpareRun): void {
    const waiting = this.#waiting.shift();
    if (waiting) waiting.resolve(spare);
    else this.#ready.push(spare);
  }

  async #make(count: number): Promise<SpareRun[]> {
    const { folder, cgroupRoot } = this.#settings;
    const names = Array.from({ length: count }, () => randomBytes(6).toString("hex"));
    const made: SpareRun[] = [];
    await this.#clearUnfinished();
    if (this.#unfinished.length > 0) throw new Error("what an earlier try has left cannot be cleared away yet: there are no descriptors");
    try {
      for (const name of names) {
        mkdirSync(join(folder, name), { mode: 0o711 });
        if (cgroupRoot) makeCgroup(join(cgroupRoot, name));
      }
      failpoint("spare.folders-made");
      await this.#maker.make(names);
      failpoint("spare.shims-started");
      for (const name of names) {
        const directory = join(folder, name);
        made.push({ directory, cgroup: cgroupRoot && join(cgroupRoot, name), go: openGo(directory) });
      }
      return made;
    } catch (error) {
      // No room, no descriptors, no processes: what came into being on the way goes, or each try would leave more of it.
      for (const { go } of made) closeSync(go);
      this.#unfinished = names;
      await this.#clearUnfinished();
      throw error;
    }
  }

  /** One that was taken and does not become a run. Resolves when nothing is left of it. */
  async discard({ directory, cgroup, go }: SpareRun): Promise<void> {
    await this.#settings.discard(directory);
    closeSync(go);
    if (cgroup !== "") await removeWhenEmpty(cgroup);
  }

  /** What cannot be cleared away for want of descriptors is tried again before the next are made, and at the end. */
  async #clearUnfinished(): Promise<void> {
    const { folder, cgroupRoot } = this.#settings;
    const cleared = await Promise.all(
      this.#unfinished.map(async (name) => {
        if (!(await this.#discardLeftover(join(folder, name)))) return false;
        if (cgroupRoot) await removeWhenEmpty(join(cgroupRoot, name));
        return true;
      }),
    ).catch((error) => {
      if (!isShortage(error)) throw error;
      return [];
    });
    this.#unfinished = this.#unfinished.filter((_, at) => !cleared[at]);
  }

  /**
   * The shim of an earlier pmd has gone with it, unless it still waits for the other end of its FIFO to be opened at all; so that is held open
   * until the FIFO is gone, and then closed without a word.
   */
  async #discardLeftover(directory: string): Promise<boolean> {
    let go: number | undefined;
    try {
      go = openGo(directory);
    } catch (error) {
      // Its shim may wait, and could never be told that nobody comes: it is left for later.
      if (isShortage(error)) return false;
      // It was not made so far.
    }
    await this.#settings.discard(directory);
    if (go !== undefined) closeSync(go);
    return true;
  }
}

/** Its process needs a moment to leave; a group that cannot be removed now is swept by the next pmd. */
async function removeWhenEmpty(cgroup: string): Promise<void> {
  for (let looks = 0; isPopulated(cgroup) && looks < 100; looks++) await sleep(5);
  removeCgroup(cgroup);
}

/** For reading too, so that it does not wait for the shim to open its end. */
export function openGo(directory: string): number {
  return openSync(join(directory, "go"), constants.O_RDWR | constants.O_NONBLOCK);
}
