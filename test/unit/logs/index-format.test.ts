import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeRecord, encodeRecord, gapReasons, type IndexRecord, recordBytes } from "../../../src/logs/index-format.ts";

const number = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const place = { position: number, timeUs: number };
const runId = fc.stringMatching(/^[a-z0-9]{1,15}$/);
const record: fc.Arbitrary<IndexRecord> = fc.oneof(
  fc.record({ kind: fc.constant("header" as const), ...place, epoch: number }),
  fc.record({ kind: fc.constantFrom("chunk" as const, "run-start" as const), ...place, runId }),
  fc.record({ kind: fc.constant("gap" as const), ...place, reason: fc.constantFrom(...gapReasons), bytes: number }),
  fc.record({ kind: fc.constantFrom("closed" as const, "rotated" as const), ...place }),
);

test("what was encoded is decoded, in 32 bytes", () => {
  fc.assert(
    fc.property(record, (written) => {
      const bytes = encodeRecord(written);
      expect(bytes).toHaveLength(recordBytes);
      expect(decodeRecord(bytes)).toEqual(written);
    }),
  );
});

test("half a record, zeroes and kinds of a later version are nothing", () => {
  const whole = encodeRecord({ kind: "closed", position: 1, timeUs: 2 });
  expect(decodeRecord(whole.subarray(0, 31))).toBeUndefined();
  expect(decodeRecord(Buffer.alloc(recordBytes))).toBeUndefined();
  whole[16] = 200;
  expect(decodeRecord(whole)).toBeUndefined();
});
