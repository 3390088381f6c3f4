import { expect, test } from "vitest";
import { countOldest, countSurplus, fileLimit } from "../../../src/pump/retention.ts";
import { plainSettings } from "../../support/log-settings.ts";

/** Oldest first, of ten bytes each, the index among them; the last was written to just now, each one before a second earlier. */
const files = [3000, 2000, 1000, 0].map((ageMs, i) => ({ base: i, bytes: 8, indexBytes: 2, modifiedMs: 10_000 - ageMs }));

const rows = [
  { rule: "all are kept that may be", settings: {}, surplus: 0 },
  { rule: "more than the number go", settings: { backups: 3 }, surplus: 1 },
  { rule: "none is kept where the number is 0", settings: { backups: 0 }, surplus: 4 },
  { rule: "what is older goes", settings: { maxAgeMs: 1500 }, surplus: 2 },
  { rule: "what is just as old stays", settings: { maxAgeMs: 1000 }, surplus: 2 },
  { rule: "with the present file, as long as it may become, they fit into the total", settings: { totalBytes: 50, rotateBytes: 20 }, surplus: 1 },
  { rule: "what fits to the byte stays", settings: { totalBytes: 60, rotateBytes: 20 }, surplus: 0 },
  { rule: "the strictest of the rules decides", settings: { backups: 3, maxAgeMs: 2500, totalBytes: 30, rotateBytes: 10 }, surplus: 2 },
] as const;

test.for(rows)("$rule", ({ settings, surplus }) => {
  expect(countSurplus(files, { ...plainSettings, ...settings }, 10_000)).toBe(surplus);
});

test("two files fit into the total, or it is no limit", () => {
  expect(fileLimit({ rotateBytes: 100, totalBytes: 0 })).toBe(100);
  expect(fileLimit({ rotateBytes: 100, totalBytes: 150 })).toBe(75);
  expect(fileLimit({ rotateBytes: 100, totalBytes: 1000 })).toBe(100);
  expect(fileLimit({ rotateBytes: 0, totalBytes: 1000 })).toBe(500);
});

/** Ten bytes each, last written to at these times. */
const log = (...times: number[]) => times.map((modifiedMs, base) => ({ base, bytes: 8, indexBytes: 2, modifiedMs }));

test.for([
  { rule: "the oldest of whatever log go, until so much is free", logs: [log(1, 4, 5), log(2, 3, 6)], excess: 21, counts: [1, 2] },
  { rule: "to the byte", logs: [log(1, 4, 5), log(2, 3, 6)], excess: 20, counts: [1, 1] },
  { rule: "of one log a newer file never goes before an older, whatever their times say", logs: [log(9, 1), log(2, 3)], excess: 30, counts: [1, 2] },
  { rule: "what there is goes where it is not enough", logs: [log(1), [], log(2)], excess: 1000, counts: [1, 0, 1] },
  { rule: "no more than so many go at once", logs: [log(1, 2, 3), log(4)], excess: 1000, most: 2, counts: [2, 0] },
  { rule: "nothing goes where nothing is too much", logs: [log(1)], excess: 0, counts: [0] },
])("together: $rule", ({ logs, excess, most = 100, counts }) => {
  expect(countOldest(logs, { excess, most })).toEqual(counts);
});
