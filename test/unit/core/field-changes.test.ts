import fc from "fast-check";
import { expect, test } from "vitest";
import { isEqual } from "../../../src/core/equal.ts";
import { fieldChanges } from "../../../src/core/field-changes.ts";

test("a change is named by its path, with what was and what is", () => {
  const from = { a: { b: 1, gone: true }, list: [1, 2], same: { x: [1] } };
  const to = { a: { b: 2, "new/one": "x" }, list: [1, 3], same: { x: [1] } };
  expect(fieldChanges(from, to)).toEqual([
    { field: "a.b", from: 1, to: 2 },
    { field: "a.gone", from: true, to: undefined },
    { field: 'a["new/one"]', from: undefined, to: "x" },
    { field: "list", from: [1, 2], to: [1, 3] },
  ]);
});

test("there are changes exactly where two values differ", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
      expect(fieldChanges(a, structuredClone(a))).toEqual([]);
      expect(fieldChanges(a, b).length === 0).toBe(isEqual(a, b));
    }),
  );
});

test("neither the order of keys nor an undefined one makes a difference", () => {
  expect(isEqual({ a: 1, b: [{ c: 2 }] }, { b: [{ c: 2, d: undefined }], a: 1 })).toBe(true);
  expect(isEqual({ a: 1 }, { a: 1, b: 2 })).toBe(false);
  expect(isEqual([1, 2], [2, 1])).toBe(false);
  expect(isEqual([], {})).toBe(false);
});
