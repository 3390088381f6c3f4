import { invalidCursor } from "../errors.ts";
import { type LogStreamRef, type Place, sourceKey } from "./log-stream.ts";

// A reader's place in many streams, as a text that a client keeps and gives back: base64url of
//
//   version; in version 2 how many lines are still to be found; then for each instance: length and bytes of its name, which streams it has
//   (1 stdout, 2 stderr), and for each of them epoch and position; numbers in groups of seven bits, the lowest first
//
// Version 1 goes on forward from its places. Version 2 belongs to a search for the last lines that is not finished, and goes on backward.
//
// Small, because every batch of a follower carries it, and it covers as many sources as the client asked for.

const forward = 1;
const backward = 2;
const streams = [
  ["stdout", 1],
  ["stderr", 2],
] as const;

/** By source key. */
export type Places = Map<string, Place>;

export interface Cursor {
  readonly places: Places;
  /** How many lines are still to be found, going backward; 0 goes forward. */
  readonly left?: number;
}

export function encodeCursor({ places, left = 0 }: Cursor): string {
  const bytes: number[] = [left > 0 ? backward : forward];
  if (left > 0) pushNumber(bytes, left);
  for (const instance of new Set([...places.keys()].map((key) => key.slice(0, key.lastIndexOf(" "))))) {
    const name = Buffer.from(instance);
    const present = streams.flatMap(([stream, bit]) => {
      const place = places.get(sourceKey({ instance, stream }));
      return place ? [{ place, bit }] : [];
    });
    pushNumber(bytes, name.length);
    bytes.push(...name);
    bytes.push(present.reduce((bits, { bit }) => bits | bit, 0));
    for (const { place } of present) {
      pushNumber(bytes, place.epoch);
      pushNumber(bytes, place.position);
    }
  }
  return Buffer.from(bytes).toString("base64url");
}

export function decodeCursor(text: string): Required<Cursor> {
  const bytes = Buffer.from(text, "base64url");
  const isForward = bytes[0] === forward;
  if (bytes.toString("base64url") !== text || (!isForward && bytes[0] !== backward)) throw invalidCursor();
  const places: Places = new Map();
  const reader = { bytes, at: 1 };
  const left = isForward ? 0 : takeNumber(reader);
  while (reader.at < bytes.length) {
    const instance = takeBytes(reader, takeNumber(reader)).toString("utf8");
    const bits = takeBytes(reader, 1)[0] ?? 0;
    if (instance === "" || bits === 0 || bits > 3) throw invalidCursor();
    for (const [stream, bit] of streams) {
      if (bits & bit)
        places.set(sourceKey({ instance, stream } satisfies Partial<LogStreamRef>), { epoch: takeNumber(reader), position: takeNumber(reader) });
    }
  }
  return { places, left };
}

function pushNumber(bytes: number[], value: number): void {
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) | 0x80);
  bytes.push(value);
}

function takeNumber(reader: { readonly bytes: Buffer; at: number }): number {
  for (let value = 0, scale = 1; ; scale *= 0x80) {
    const byte = takeBytes(reader, 1)[0] ?? 0;
    value += (byte & 0x7f) * scale;
    if (value > Number.MAX_SAFE_INTEGER) throw invalidCursor();
    if (byte < 0x80) return value;
  }
}

function takeBytes(reader: { readonly bytes: Buffer; at: number }, count: number): Buffer {
  const taken = reader.bytes.subarray(reader.at, reader.at + count);
  if (taken.length < count) throw invalidCursor();
  reader.at += count;
  return taken;
}
