import { closeSync, constants, fstatSync, mkdirSync, openSync, readlinkSync, type Stats } from "node:fs";
import { basename, dirname, join } from "node:path";

// A log may be in a directory that belongs to the service, and the service may be somebody who should not be able to make the pump write, rename or
// remove anything elsewhere: by a link in the place of the directory, put there at any moment. So a directory is entered from the root on, name by name, each
// opened from the one before it, and what the pump does in it goes through that descriptor: whatever the names come to mean, it is the
// same directory. Node has no openat, but Linux has /proc/self/fd.
//
// Links are followed where only root or we can have put them: /var/log may well be one.

/** Enters a directory without reading it, and a link without following it. */
const O_PATH = 0o10000000;
const { O_NOFOLLOW } = constants;
const directoryMode = 0o750;
const mostLinks = 32;

export class LogDirectory implements Disposable {
  readonly #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** The directory of this file. */
  static of(path: string, missing: "make" | "fail"): LogDirectory {
    return new LogDirectory(enter(dirname(path), missing));
  }

  /** What this file is called here, wherever the directory may be called what it was. */
  place(path: string): string {
    return join(placeIn(this.#fd), basename(path));
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

function enter(directory: string, missing: "make" | "fail"): number {
  const names = split(directory);
  let fd = openSync("/", O_PATH);
  try {
    for (let links = 0, name = names.shift(); name !== undefined; name = names.shift()) {
      const next = step(fd, name, missing);
      const stat = fstatSync(next);
      if (stat.isDirectory()) {
        closeSync(fd);
        fd = next;
        continue;
      }
      closeSync(next);
      if (!stat.isSymbolicLink()) throw new Error(`cannot enter ${directory}: ${name} is not a directory`);
      if (!isOurs(stat) || !isKept(fstatSync(fd)) || ++links > mostLinks) throw new Error(`cannot enter ${directory}: ${name} is a link`);
      const target = readlinkSync(join(placeIn(fd), name));
      names.unshift(...split(target));
      if (target.startsWith("/")) {
        closeSync(fd);
        fd = openSync("/", O_PATH);
      }
    }
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function step(fd: number, name: string, missing: "make" | "fail"): number {
  const place = join(placeIn(fd), name);
  try {
    return openSync(place, O_PATH | O_NOFOLLOW);
  } catch (error) {
    if (missing === "fail" || (error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    mkdirSync(place, directoryMode);
    return openSync(place, O_PATH | O_NOFOLLOW);
  }
}

/** `..` of a link is asked of the kernel, like any other name. */
function split(path: string): string[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}

function placeIn(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

function isOurs({ uid }: Stats): boolean {
  return uid === 0 || uid === process.geteuid?.();
}

/** Nobody else can have exchanged what is in it. */
function isKept(directory: Stats): boolean {
  const { mode } = directory;
  return isOurs(directory) && ((mode & 0o002) === 0 || (mode & 0o1000) !== 0);
}
