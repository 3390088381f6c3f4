import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { makeCgroup, removeCgroup } from "./cgroup.ts";

/** A run directory with its FIFOs, and its shim waiting in it: all of a start that does not depend on what is started. */
export interface SpareRun {
  readonly directory: string;
  /** Empty where there is none. */
  readonly cgroup: string;
  readonly shim: ChildProcess;
}

export interface SpareSettings {
  readonly folder: string;
  readonly shimPath: string;
  /** Empty where there are none. */
  readonly cgroupRoot: string;
  /** How many are kept. */
  readonly wanted: number;
}

/** Under load so many are made at once. */
const mostAtOnce = 32;

/**
 * Spares are made ahead, because making FIFOs takes a program, moving into a cgroup takes the kernel milliseconds, and Node forks slowly. When
 * this process ends, however it ends, the stdin of their shims ends, and they go.
 */
export class SpareRuns {
  readonly #settings: SpareSettings;
  #ready: SpareRun[] = [];
  #waiting: PromiseWithResolvers<SpareRun>[] = [];
  #filling = false;
  #closed = false;

  constructor(settings: SpareSettings) {
    this.#settings = settings;
    mkdirSync(settings.folder, { recursive: true, mode: 0o711 });
    // Of an earlier pmd: their shims have gone with it.
    for (const name of readdirSync(settings.folder)) rmSync(join(settings.folder, name), { recursive: true, force: true });
    void this.#fill();
  }

  /** Rejects when none can be made. */
  take(): Promise<SpareRun> {
    const spare = this.#ready.shift();
    if (this.#ready.length < this.#settings.wanted / 2) void this.#fill();
    if (spare) return Promise.resolve(spare);
    const waiting = Promise.withResolvers<SpareRun>();
    this.#waiting.push(waiting);
    return waiting.promise;
  }

  close(): void {
    this.#closed = true;
    for (const spare of this.#ready.splice(0)) this.#discard(spare);
  }

  async #fill(): Promise<void> {
    if (this.#filling || this.#closed) return;
    this.#filling = true;
    try {
      do {
        const count = Math.min(mostAtOnce, Math.max(this.#settings.wanted - this.#ready.length, this.#waiting.length));
        for (const spare of await this.#make(count)) this.#offer(spare);
      } while (this.#waiting.length > 0 && !this.#closed);
    } catch (error) {
      for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
    } finally {
      this.#filling = false;
    }
  }

  #offer(spare: SpareRun): void {
    const waiting = this.#waiting.shift();
    if (waiting) waiting.resolve(spare);
    else if (this.#closed) this.#discard(spare);
    else this.#ready.push(spare);
  }

  async #make(count: number): Promise<SpareRun[]> {
    const { folder, cgroupRoot, shimPath } = this.#settings;
    const names = Array.from({ length: count }, () => randomBytes(6).toString("hex"));
    const directories = names.map((name) => join(folder, name));
    for (const directory of directories) mkdirSync(directory, { mode: 0o711 });
    const fifos = directories.flatMap((directory) => ["out", "err", "ack"].map((fifo) => join(directory, fifo)));
    await promisify(execFile)("mkfifo", ["-m", "600", ...fifos]);
    return names.map((name, at) => {
      const directory = directories[at] ?? "";
      const cgroup = cgroupRoot && join(cgroupRoot, name);
      if (cgroup) makeCgroup(cgroup);
      const shim = spawn("/bin/sh", [shimPath, directory, cgroup], { cwd: "/", env: {}, detached: true, stdio: ["pipe", "ignore", "ignore"] });
      // A shim that could not be started, or has gone before its word came, is seen by its run.
      shim.on("error", () => undefined);
      shim.stdin.on("error", () => undefined);
      shim.unref();
      return { directory, cgroup, shim };
    });
  }

  #discard({ directory, cgroup, shim }: SpareRun): void {
    shim.stdin?.destroy();
    rmSync(directory, { recursive: true, force: true });
    // Its process needs a moment to leave; what cannot be removed now is swept by the next pmd.
    if (cgroup) removeCgroup(cgroup);
  }
}
