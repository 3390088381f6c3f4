import { invalidCursor } from "../errors.ts";
import { type LogStreamRef, type Place, sourceKey } from "./log-stream.ts";

// A reader's place in many streams, as a text that a client keeps and gives back: base64url of
//
//   version, then for each instance: length and bytes of its name, which streams it has (1 stdout, 2 stderr), and for each of them
//   epoch and position; numbers in groups of seven bits, the lowest first
//
// Small, because every batch of a follower carries it, and it covers as many sources as the client asked for.

const version = 1;
const streams = [
  ["stdout", 1],
  ["stderr", 2],
] as const;

/** By source key. */
export type Places = Map<string, Place>;

export function encodeCursor(places: Places): string {
  const bytes: number[] = [version];
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

export function decodeCursor(text: string): Places {
  const bytes = Buffer.from(text, "base64url");
  if (bytes.toString("base64url") !== text || bytes[0] !== version) throw invalidCursor();
  const places: Places = new Map();
  const reader = { bytes, at: 1 };
  while (reader.at < bytes.length) {
    const instance = takeBytes(reader, takeNumber(reader)).toString("utf8");
    const bits = takeBytes(reader, 1)[0] ?? 0;
    if (instance === "" || bits === 0 || bits > 3) throw invalidCursor();
    for (const [stream, bit] of streams) {
      if (bits & bit)
        places.set(sourceKey({ instance, stream } satisfies Partial<LogStreamRef>), { epoch: takeNumber(reader), position: takeNumber(reader) });
    }
  }
  return places;
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
