import { expect, test } from "vitest";
import { countSurplus, fileLimit } from "../../../src/pump/retention.ts";
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
