import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { lstatSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const fifos = ["out", "err", "ack"];

/**
 * Run directories made ahead, with their FIFOs: Node cannot make a FIFO, and the program that can costs more than all the rest of a start.
 * One call makes several.
 */
export class SpareRuns {
  readonly #folder: string;
  readonly #wanted: number;
  #ready: string[] = [];
  #waiting: ((directory: Promise<string>) => void)[] = [];
  #filling = false;

  constructor(folder: string, wanted = 8) {
    this.#folder = folder;
    this.#wanted = wanted;
    mkdirSync(folder, { recursive: true, mode: 0o711 });
    for (const name of readdirSync(folder)) {
      const directory = join(folder, name);
      if (isUnused(directory)) this.#ready.push(directory);
      else rmSync(directory, { recursive: true, force: true }); // cut off while it was made or filled: never published
    }
    void this.#fill();
  }

  take(): Promise<string> {
    const directory = this.#ready.pop();
    if (this.#ready.length < this.#wanted / 2) void this.#fill();
    if (directory) return Promise.resolve(directory);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async #fill(): Promise<void> {
    if (this.#filling) return;
    this.#filling = true;
    try {
      do {
        this.#ready.push(...(await makeRunDirectories(this.#folder, Math.min(64, Math.max(this.#wanted, this.#waiting.length)))));
        while (this.#waiting.length > 0 && this.#ready.length > 0) this.#waiting.shift()?.(Promise.resolve(this.#ready.pop() ?? ""));
      } while (this.#waiting.length > 0);
    } catch (error) {
      for (const resolve of this.#waiting.splice(0)) resolve(Promise.reject(error));
    } finally {
      this.#filling = false;
    }
  }
}

async function makeRunDirectories(folder: string, count: number): Promise<string[]> {
  const made = Array.from({ length: count }, () => join(folder, randomBytes(6).toString("hex")));
  for (const directory of made) mkdirSync(directory, { mode: 0o711 });
  await promisify(execFile)("mkfifo", ["-m", "600", ...made.flatMap((directory) => fifos.map((fifo) => join(directory, fifo)))]);
  return made;
}

function isUnused(directory: string): boolean {
  const names = readdirSync(directory);
  return names.length === fifos.length && fifos.every((fifo) => names.includes(fifo) && lstatSync(join(directory, fifo)).isFIFO());
}
