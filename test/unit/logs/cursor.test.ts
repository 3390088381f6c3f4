import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeCursor, encodeCursor } from "../../../src/logs/cursor.ts";
import { sourceKey } from "../../../src/logs/log-stream.ts";

const number = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const key = fc.record({
  instance: fc.stringMatching(/^[a-z]{1,8}\/[a-zA-Z.é-]{1,20}#\d{1,3}$/),
  stream: fc.constantFrom("stdout" as const, "stderr" as const),
});
const places = fc.array(fc.tuple(key.map(sourceKey), fc.record({ epoch: number, position: number })), { maxLength: 20 });

test("a cursor gives back the places it was made of", () => {
  fc.assert(
    fc.property(places, fc.nat(100_000), (places, left) => {
      expect(decodeCursor(encodeCursor({ places: new Map(places), left }))).toEqual({ places: new Map(places), left });
    }),
  );
});

test("a text that is no cursor is refused, whatever it is", () => {
  const cursor = encodeCursor({ places: new Map([[sourceKey({ instance: "default/web#0", stream: "stdout" }), { epoch: 5, position: 300 }]]) });
  const wrong = ["", "x", "nonsense!", `${cursor}=`, `${cursor}A`, cursor.slice(0, -3), Buffer.from([9]).toString("base64url")];
  for (const text of wrong) expect(() => decodeCursor(text), text).toThrow(expect.objectContaining({ reason: "INVALID_CURSOR" }));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      try {
        decodeCursor(Buffer.from(bytes).toString("base64url"));
      } catch (error) {
        expect(error).toMatchObject({ reason: "INVALID_CURSOR" });
      }
    }),
  );
});

test("the cursor of a thousand services fits into a request", () => {
  const keys = Array.from({ length: 1000 }, (_, i) => `default/service-${i}#0`);
  const streams = ["stdout", "stderr"] as const;
  const places = keys.flatMap((instance) =>
    streams.map((stream) => [sourceKey({ instance, stream }), { epoch: 1.76e15, position: 2 ** 33 }] as const),
  );
  expect(encodeCursor({ places: new Map(places) }).length).toBeLessThan(65_536);
});
