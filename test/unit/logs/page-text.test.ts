import fc from "fast-check";
import { expect, it } from "vitest";
import { safeLine as safeLineOfPmctl } from "../../../cli/safe-text.ts";
import type { LogEntry } from "../../../src/logs/log-stream.ts";
import { gapText, PageText } from "../../../src/logs/page-text.ts";
import { safeLine } from "../../../src/logs/safe-line.ts";

const plain = { instances: ["default/web#0"], timestamps: false, raw: false, safe: false };

it("a line goes to a terminal as pmctl would show it", () => {
  const unit = fc.constantFrom("a", "\t", "\r", "\u001b", "[31m", "[", "m", "\u0000", "\u007f", "\u009b", "\u202e", "\ufeff", "é", "\n");
  fc.assert(fc.property(fc.string({ unit }), (line) => safeLine(line) === safeLineOfPmctl(line)));
});

it("a line of one instance is as it was written; of several each says whose it is", () => {
  const instances = ["default/web#0", "prod/counter#0", "prod/counter#1"];
  expect(linesOf(plain, [entry("one")])).toBe("one\n");
  const entries = [entry("one"), entry("two", { instance: "prod/counter#1" })];
  expect(linesOf({ ...plain, instances }, entries)).toBe("web            | one\nprod/counter#1 | two\n");
  expect(linesOf({ ...plain, timestamps: true }, [entry("one")])).toBe("1970-01-01T00:00:01.000Z one\n");
});

it("a line in pieces is one line, unless another comes between them", () => {
  expect(linesOf(plain, [entry("be", { partial: true }), entry("gun")])).toBe("begun\n");
  expect(linesOf(plain, [entry("be", { partial: true }), entry("other", { stream: "stderr" }), entry("gun")])).toBe("be\nother\ngun\n");
});

it("a line that was left open gets its end, except where every byte counts", () => {
  expect(linesOf(plain, [entry("open", { partial: true })])).toBe("open\n");
  expect(linesOf({ ...plain, raw: true }, [entry("open", { partial: true })])).toBe("open");
});

it("bytes that are no text stay what they are off the terminal", () => {
  const bytes = Buffer.from([0xff, 0x1b, 0x5b]);
  expect(new PageText(plain).linesOf([{ ...entry(""), bytes }])).toEqual(Buffer.concat([bytes, Buffer.from("\n")]));
});

it("a gap says whose bytes are missing, and why", () => {
  const gap = { instance: "default/web#0", stream: "stdout", reason: "dropped", timeMs: 0 } as const;
  expect(gapText({ ...gap, bytes: 12 })).toBe("-- web#0 stdout: 12 bytes missing: disk full --\n");
  expect(gapText({ ...gap, bytes: 0 })).toBe("-- web#0 stdout: some output is missing: disk full --\n");
});

function linesOf(style: ConstructorParameters<typeof PageText>[0], entries: readonly LogEntry[]): string {
  const text = new PageText(style);
  return text.linesOf(entries).toString() + text.end();
}

function entry(content: string, more: Partial<LogEntry> = {}): LogEntry {
  return { instance: "default/web#0", stream: "stdout", timeMs: 1000, bytes: Buffer.from(content), partial: false, runId: "r1", ...more };
}
