import fs from "node:fs";

const chunkBytes = 64 * 1024;
const newline = 0x0a;

/** The end of a file that somebody else writes, also when it is rotated away by rename. */
export class FileTail {
  readonly #file: string;
  #descriptor: number;
  #position = 0;

  constructor(file: string) {
    this.#file = file;
    this.#descriptor = fs.openSync(file, "r");
  }

  /** The last lines that are there now; -1 is all. What comes later is for `read`. */
  lastLines(count: number): Buffer {
    const end = fs.fstatSync(this.#descriptor).size;
    let start = end;
    let text = Buffer.alloc(0);
    while (start > 0 && (count < 0 || newlinesIn(text) <= count)) {
      const from = Math.max(0, start - chunkBytes);
      text = Buffer.concat([this.#readAt(from, start - from), text]);
      start = from;
    }
    this.#position = end;
    return text.subarray(startOfLines(text, count));
  }

  /** What was written since. */
  read(): Buffer {
    const rest = this.#readRest();
    const now = fs.statSync(this.#file, { throwIfNoEntry: false });
    const held = fs.fstatSync(this.#descriptor);
    if (!now || (now.ino === held.ino && now.size >= this.#position)) return rest;
    fs.closeSync(this.#descriptor);
    this.#descriptor = fs.openSync(this.#file, "r");
    this.#position = 0;
    return Buffer.concat([rest, this.#readRest()]);
  }

  [Symbol.dispose](): void {
    fs.closeSync(this.#descriptor);
  }

  #readRest(): Buffer {
    const { size } = fs.fstatSync(this.#descriptor);
    const length = Math.max(0, size - this.#position);
    const bytes = this.#readAt(this.#position, length);
    this.#position += bytes.length;
    return bytes;
  }

  #readAt(position: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, fs.readSync(this.#descriptor, bytes, 0, length, position));
  }
}

/** Where the last lines begin; what stands behind the last newline is a line, too. */
function startOfLines(bytes: Buffer, count: number): number {
  if (count === 0) return bytes.length;
  let at = bytes.at(-1) === newline ? bytes.length - 1 : bytes.length;
  for (let left = count; left !== 0 && at > 0; left--) at = bytes.lastIndexOf(newline, at - 1);
  return Math.max(0, at + 1);
}

function newlinesIn(bytes: Buffer): number {
  let count = 0;
  for (const byte of bytes) if (byte === newline) count++;
  return count;
}
