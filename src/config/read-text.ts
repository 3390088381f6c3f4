import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";

/** It is no fault of pmd: whoever named the file has to hear why. */
export class UnreadableFile extends Error {
  override readonly name = "UnreadableFile";
}

/** A file of services is a few kilobytes; what is larger was meant for something else. */
const maxBytes = 4 * 1024 * 1024;

/** The text of a regular file of a sensible size; anything else is an error that says what is wrong with it. */
export function readText(file: string): string {
  const descriptor = openToRead(file);
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw new UnreadableFile(`cannot read ${file}: it is no regular file`);
    if (stats.size > maxBytes)
      throw new UnreadableFile(`cannot read ${file}: it has ${stats.size} bytes, and a configuration file has at most ${maxBytes}`);
    return decode(file, readFileSync(descriptor));
  } finally {
    closeSync(descriptor);
  }
}

/** Without blocking, because nobody may ever write to what turns out to be a FIFO. */
function openToRead(file: string): number {
  try {
    return openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new UnreadableFile(`cannot read ${file}: ${code === "ENOENT" ? "no such file" : message}`, { cause });
  }
}

function decode(file: string, bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new UnreadableFile(`cannot read ${file}: it is no UTF-8 text`, { cause });
  }
}
