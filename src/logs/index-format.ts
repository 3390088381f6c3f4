// The index beside a log file: `web.out.log` has `web.out.log.idx`. The log holds the bytes of the program and not one byte more; everything
// that is known about them stands here, in records of 32 bytes, appended in the order of time, so that a reader can search them by halves and
// a record cut by a crash is seen by its length:
//
//   0  position   u64   where it applies
//   8  time       u64   µs since 1970: when the bytes were read, or the fact was noticed
//   16 kind       u8
//   17 payload    15 bytes
//
// A position counts the bytes of the stream since it was begun, through all its files, and never falls: what one file has at offset o is at
// position header.position + o. A reader's place is (epoch, position), which stays true while files are rotated, renamed and removed.
// The epoch is the time at which the stream was begun; another epoch is another stream that happens to have the same path.
//
//   header     first record of every index: position of the first byte of the file; payload "pmidx", then the epoch at 24
//   chunk      bytes from here on were read at this time, from this run (payload: its id)
//   run-start  the pump began to read this run (payload: its id)
//   gap        something is missing here; reason at 17, how many bytes at 24, 0 when nobody can know
//   closed     the pump left in good order: nothing was in its hands. An index that ends otherwise belonged to a pump that was killed
//   rotated    the file is complete and has been renamed; the stream goes on in the file whose header has this position
//
// A chunk record is written before its bytes, so whoever sees a byte finds its time. After a crash there may be a record without bytes: of
// several records for one position the last one counts. Chunks less than a millisecond and 64 KiB after the last share its record.

export const recordBytes = 32;
const magic = "pmidx";
const longestRunId = 15;

export const gapReasons = ["rotated_away", "dropped", "truncated", "pump_killed"] as const;
export type GapReason = (typeof gapReasons)[number];

export type IndexRecord = { readonly position: number; readonly timeUs: number } & (
  | { readonly kind: "header"; readonly epoch: number }
  | { readonly kind: "chunk" | "run-start"; readonly runId: string }
  | { readonly kind: "gap"; readonly reason: GapReason; readonly bytes: number }
  | { readonly kind: "closed" | "rotated" }
);

const kinds = ["header", "chunk", "run-start", "gap", "closed", "rotated"] as const;

export function encodeRecord(record: IndexRecord): Buffer {
  const bytes = Buffer.alloc(recordBytes);
  writeU64(bytes, record.position, 0);
  writeU64(bytes, record.timeUs, 8);
  bytes[16] = kinds.indexOf(record.kind) + 1;
  switch (record.kind) {
    case "header":
      bytes.write(magic, 17, "latin1");
      writeU64(bytes, record.epoch, 24);
      break;
    case "chunk":
    case "run-start":
      bytes.write(record.runId.slice(0, longestRunId), 17, "latin1");
      break;
    case "gap":
      bytes[17] = gapReasons.indexOf(record.reason) + 1;
      writeU64(bytes, record.bytes, 24);
      break;
    case "closed":
    case "rotated":
      break;
  }
  return bytes;
}

/** Undefined where there is no whole record, or none that this version knows. */
export function decodeRecord(bytes: Buffer, at = 0): IndexRecord | undefined {
  if (at + recordBytes > bytes.length) return undefined;
  const kind = kinds[(bytes[at + 16] ?? 0) - 1];
  if (kind === undefined) return undefined;
  const position = readU64(bytes, at);
  const timeUs = readU64(bytes, at + 8);
  // Nobody writes such numbers; one that was damaged into them would lead readers to places that cannot be told apart.
  if (position > Number.MAX_SAFE_INTEGER || timeUs > Number.MAX_SAFE_INTEGER) return undefined;
  switch (kind) {
    case "header":
      if (bytes.toString("latin1", at + 17, at + 17 + magic.length) !== magic) return undefined;
      return { kind, position, timeUs, epoch: readU64(bytes, at + 24) };
    case "chunk":
    case "run-start":
      return { kind, position, timeUs, runId: readRunId(bytes, at) };
    case "gap": {
      const reason = gapReasons[(bytes[at + 17] ?? 0) - 1];
      return reason && { kind, position, timeUs, reason, bytes: readU64(bytes, at + 24) };
    }
    case "closed":
    case "rotated":
      return { kind, position, timeUs };
  }
}

function readRunId(bytes: Buffer, at: number): string {
  let end = at + 17;
  while (end < at + recordBytes && bytes[end] !== 0) end++;
  return bytes.toString("latin1", at + 17, end);
}

// Numbers below 2^53 hold positions for ever and µs until the year 2255; BigInt would cost an allocation each.
function writeU64(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32LE(value % 0x1_0000_0000, at);
  bytes.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4);
}

function readU64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 0x1_0000_0000;
}
