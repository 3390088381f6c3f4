import { expect, test } from "vitest";
import { bytesBeforeRotation } from "../../../src/pump/rotation.ts";

const rows = [
  { rule: "a chunk that fits stays", size: 0, midLine: false, chunk: "ab\ncd\n", limit: 6, stays: "ab\ncd\n" },
  { rule: "lines beyond the limit go to the next file", size: 0, midLine: false, chunk: "ab\ncd\nef\n", limit: 7, stays: "ab\ncd\n" },
  { rule: "a file that ends with a line is not begun again by one that does not fit", size: 5, midLine: false, chunk: "abc\n", limit: 6, stays: "" },
  { rule: "the line in hand is finished beyond the limit", size: 5, midLine: true, chunk: "abc\nde\n", limit: 6, stays: "abc\n" },
  { rule: "the line in hand may come in many chunks", size: 5, midLine: true, chunk: "abc", limit: 6, stays: "abc" },
  { rule: "a line that makes the file twice as long is cut", size: 11, midLine: true, chunk: "abc", limit: 6, stays: "a" },
  { rule: "a line of twice the limit is cut there", size: 0, midLine: false, chunk: "abcdefgh\n", limit: 3, stays: "abcdef" },
  { rule: "a line longer than the limit stays whole below twice the limit", size: 0, midLine: false, chunk: "abcde\nf", limit: 3, stays: "abcde\n" },
  { rule: "a file that is too long already takes no line more", size: 100, midLine: false, chunk: "a\n", limit: 3, stays: "" },
  { rule: "a file that is too long already is cut in its line", size: 100, midLine: true, chunk: "a\n", limit: 3, stays: "" },
];

test.each(rows)("$rule", ({ size, midLine, chunk, limit, stays }) => {
  const bytes = Buffer.from(chunk);
  expect(bytes.subarray(0, bytesBeforeRotation({ size, midLine }, bytes, limit)).toString()).toBe(stays);
});
