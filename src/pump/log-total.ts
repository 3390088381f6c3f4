import { lstatSync } from "node:fs";
import { indexPath } from "../logs/log-file-names.ts";
import type { LogTotalLimit } from "../logs/pump-protocol.ts";
import { findLogs } from "./find-logs.ts";
import { countOldest } from "./retention.ts";
import { SetAsideFiles } from "./set-aside-files.ts";

// What all logs together may take. Counted are the logs that are being written, wherever they are; those that were, since this pump has the limit; and
// all that lie where services write unless they say otherwise, below the directory for logs, whoever has written them. When they take too much, the
// files that were set aside longest ago go, of whatever log. The present files stay, so that they alone may be more.
//
// It must cost nothing to write: the sizes are in memory, and change where files are opened, set aside, packed and removed. They are looked at on
// disk seldom, for people remove files too.

const lookMs = 600_000;
/** A disk may be slow to remove; the rest goes with the next second. */
const mostAtOnce = 64;

/** A log as the total sees it. */
export interface CountedLog {
  readonly path: string;
  /** Of the file that is being written, with its index. */
  readonly presentBytes: number;
  readonly setAside: SetAsideFiles;
}

export class LogTotal {
  readonly #written: () => Iterable<CountedLog>;
  readonly #resting = new Map<string, RestingLog>();
  #limit: LogTotalLimit = { bytes: 0, logDir: "" };
  #lookAt = 0;

  /** `written`: the logs that are being written. */
  constructor(written: () => Iterable<CountedLog>) {
    this.#written = written;
  }

  get limitBytes(): number {
    return this.#limit.bytes;
  }

  limit(limit: LogTotalLimit): void {
    this.#limit = limit;
    this.#lookAt = 0;
    if (limit.bytes === 0) this.#resting.clear();
    this.upkeep();
  }

  /** It counts as one of those that are being written. */
  opened(path: string): void {
    this.#resting.delete(path);
  }

  /** It is written no longer. */
  closed({ path, setAside }: CountedLog): void {
    if (this.#limit.bytes > 0) this.#rest(new RestingLog(path, setAside));
  }

  /** The clock calls this often. */
  upkeep(): void {
    if (this.#limit.bytes === 0) return;
    const now = performance.now();
    if (now >= this.#lookAt) {
      this.#lookAt = now + lookMs;
      this.#look();
    }
    this.enforce();
  }

  /** Lets the oldest go while all of them take too much. */
  enforce(): void {
    if (this.#limit.bytes === 0) return;
    const logs = [...this.#written(), ...this.#resting.values()];
    const bytes = logs.reduce((sum, { presentBytes, setAside }) => sum + presentBytes + setAside.bytes, 0);
    if (bytes <= this.#limit.bytes) return;
    const removable = logs.map(({ setAside }) => setAside.removable);
    for (const [i, count] of countOldest(removable, { excess: bytes - this.#limit.bytes, most: mostAtOnce }).entries()) {
      if (count > 0) logs[i]?.setAside.removeOldest(count);
    }
  }

  #look(): void {
    const written = [...this.#written()];
    for (const { setAside } of written) setAside.look();
    for (const log of [...this.#resting.values()]) this.#rest(log);
    const counted = new Set([...written.map(({ path }) => path), ...this.#resting.keys()]);
    for (const path of findLogs(this.#limit.logDir)) {
      if (!counted.has(path)) this.#rest(new RestingLog(path, new SetAsideFiles(path, () => undefined)));
    }
  }

  /** Where nothing is left of it, there is nothing to count. */
  #rest(log: RestingLog): void {
    log.look();
    if (log.isGone) this.#resting.delete(log.path);
    else this.#resting.set(log.path, log);
  }
}

/** One that nobody writes now. */
class RestingLog implements CountedLog {
  readonly path: string;
  readonly setAside: SetAsideFiles;
  presentBytes = 0;

  constructor(path: string, setAside: SetAsideFiles) {
    this.path = path;
    this.setAside = setAside;
  }

  look(): void {
    this.setAside.look();
    this.presentBytes = sizeOf(this.path) + sizeOf(indexPath(this.path));
  }

  get isGone(): boolean {
    return this.presentBytes + this.setAside.bytes === 0;
  }
}

function sizeOf(path: string): number {
  try {
    return lstatSync(path).size;
  } catch {
    return 0; // it is not there, or nobody lets us see
  }
}
