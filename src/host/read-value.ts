import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { resolve } from "node:path";
import { faultOfReference, literalValue, maxReferencedBytes, parseReference } from "../core/value-reference.ts";
import { reasonOf } from "./reason-of.ts";

/** What a variable is set to: its value, or what that refers to. No error has a value in it. */
export function readValue(name: string, value: string, directory: string): string {
  const reference = parseReference(value);
  if (!reference) return literalValue(value);
  const fault = faultOfReference(reference);
  if (fault) throw new Error(`variable ${name}: ${fault}`);
  if (reference.kind !== "file") return toText(Buffer.from(reference.text, reference.kind), `variable ${name}`);
  const path = resolve(directory, reference.path);
  const subject = `variable ${name}: ${path}`;
  return toText(readSmallFile(path, subject), subject).replace(/\r?\n$/, "");
}

function readSmallFile(path: string, subject: string): Buffer {
  const descriptor = openToRead(path, subject);
  try {
    if (!fstatSync(descriptor).isFile()) throw new Error(`${subject}: it is no regular file, and only such are read`);
    // Some files have more to give than their size says.
    const buffer = Buffer.alloc(maxReferencedBytes + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < buffer.length; length += read)
      read = readSync(descriptor, buffer, length, buffer.length - length, null);
    if (length > maxReferencedBytes) throw new Error(`${subject}: it has more than the ${maxReferencedBytes} bytes that are read for a variable`);
    return buffer.subarray(0, length);
  } finally {
    closeSync(descriptor);
  }
}

/** Without blocking, because nobody may ever write to what turns out to be a FIFO. */
function openToRead(path: string, subject: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const wayOut = code === "ENOENT" ? "; make it, or write @@file:// for a value that is to begin so" : "; pmd has to be able to read it";
    throw new Error(`${subject}: ${reasonOf(code)}${wayOut}`);
  }
}

function toText(bytes: Buffer, subject: string): string {
  if (bytes.includes(0)) throw new Error(`${subject}: has a NUL byte, and would end there`);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Error(`${subject}: is no UTF-8 text`); // without the cause, which may show it
  }
}
