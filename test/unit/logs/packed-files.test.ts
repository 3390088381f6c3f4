import { randomBytes } from "node:crypto";
import { readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { afterEach, expect, test, vi } from "vitest";
import { describeSource } from "../../../src/logs/describe-source.ts";
import { follow } from "../../../src/logs/follow.ts";
import { indexPath, packings, rotatedPath } from "../../../src/logs/log-file-names.ts";
import type { LogEntry, LogGap, LogStreamRef } from "../../../src/logs/log-stream.ts";
import { type LogPage, type ReadFrom, readPage } from "../../../src/logs/read-page.ts";
import { openRotated } from "../../../src/logs/segment.ts";
import { LogWriter } from "../../support/log-writer.ts";
import { makeTempDir } from "../../support/temp-dir.ts";

const texts = (entries: readonly LogEntry[]) => entries.map(({ bytes, partial }) => bytes.toString("latin1") + (partial ? "…" : ""));
const reasons = (gaps: readonly LogGap[]) => gaps.map(({ reason, bytes }) => `${reason} ${bytes}`);

afterEach(() => vi.restoreAllMocks());

async function readAll(source: LogStreamRef, from: ReadFrom = {}, maxEntries = 7): Promise<{ lines: string[]; gaps: string[] }> {
  const pages: LogPage[] = [];
  do pages.push(await readPage({ sources: [source], maxEntries, ...(pages.length === 0 ? from : { cursor: pages.at(-1)?.cursor }) }));
  while (!pages.at(-1)?.atEnd);
  return { lines: texts(pages.flatMap(({ entries }) => entries)), gaps: reasons(pages.flatMap(({ gaps }) => gaps)) };
}

/** Twenty lines, `line 00` to `line 19`, in files of four; the newest file is the present one. */
function writeTwenty(directory: string): LogWriter {
  const writer = new LogWriter(directory);
  for (let i = 0; i < 20; i++) {
    writer.write(`${lines[i]}\n`);
    if (i % 4 === 3 && i < 19) writer.rotate();
  }
  return writer;
}

const lines = Array.from({ length: 20 }, (_, i) => `line ${String(i).padStart(2, "0")}`);
const fileBytes = 4 * "line 00\n".length;

test.each(packings)("files that are compressed as %s are read as if they were not: forwards, backwards, by cursor", async (packing) => {
  await using dir = makeTempDir();
  const writer = writeTwenty(dir.path);
  const { cursor } = await readPage({ sources: [writer.source], maxEntries: 6 });
  expect(writer.pack(packing)).toHaveLength(4);
  expect(await readAll(writer.source)).toEqual({ lines, gaps: [] });
  expect(await readAll(writer.source, { tail: 13 })).toEqual({ lines: lines.slice(7), gaps: [] });
  expect(await readAll(writer.source, { cursor })).toEqual({ lines: lines.slice(6), gaps: [] });
});

test("a time is found in a compressed file", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path);
  for (const [i, line] of ["old", "new", "newer"].entries()) {
    vi.spyOn(Date, "now").mockReturnValue(1_000_000 + i * 1000);
    vi.spyOn(performance, "now").mockReturnValue(i * 1000);
    writer.write(`${line}\n`);
    writer.rotate();
  }
  vi.restoreAllMocks();
  writer.pack();
  expect(await readAll(writer.source, { sinceMs: 1_000_500 })).toEqual({ lines: ["new", "newer"], gaps: [] });
});

test("while a file is there twice it is read once, and what is half compressed is no file of the log", async () => {
  await using dir = makeTempDir();
  const writer = writeTwenty(dir.path);
  const [packed = ""] = writer.pack("zst", { keepPlain: true });
  writeFileSync(`${packed}.new`, readFileSync(packed).subarray(0, 9));
  writeFileSync(packed, "the plain one is preferred");
  expect(await readAll(writer.source)).toEqual({ lines, gaps: [] });
});

test("a file that is compressed while it is read is read to its end", async () => {
  await using dir = makeTempDir();
  const writer = writeTwenty(dir.path);
  const end = new AbortController();
  const read: string[] = [];
  for await (const { entries, gaps } of follow({ sources: () => [writer.source] }, end.signal)) {
    expect(gaps).toEqual([]);
    writer.pack();
    read.push(...texts(entries));
    if (read.length === 20) end.abort();
  }
  expect(read).toEqual(lines);
});

test("what is damaged in a compressed file is a gap with its size, and what comes after it is read", async () => {
  for (const damage of ["cut", "overwritten", "empty"]) {
    await using dir = makeTempDir();
    const writer = writeTwenty(dir.path);
    const second = writer.pack()[1] ?? "";
    if (damage === "cut") truncateSync(second, 12);
    else writeFileSync(second, damage === "empty" ? "" : randomBytes(100));
    const rest = [...lines.slice(0, 4), ...lines.slice(8)];
    expect(await readAll(writer.source), damage).toEqual({ lines: rest, gaps: [`damaged ${fileBytes}`] });
    expect((await readAll(writer.source, { tail: 14 })).lines, damage).toEqual(rest.slice(2));
  }
});

test("of a file that is damaged in its middle the beginning is read, once, and the gap is told once", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path);
  const many = Array.from({ length: 6000 }, () => randomBytes(50).toString("hex"));
  for (const line of many) writer.write(`${line}\n`);
  writer.rotate();
  writer.write("after\n");
  const [packed = ""] = writer.pack("zst");
  truncateSync(packed, Math.floor(readFileSync(packed).length * 0.7));
  const { lines: read, gaps } = await readAll(writer.source, {}, 1000);
  const whole = read.filter((line) => many.includes(line));
  expect(whole.length).toBeGreaterThan(1000);
  expect(whole).toEqual(many.slice(0, whole.length));
  const shown = read.slice(0, -1).reduce((sum, line) => sum + line.replace("…", "").length + (line.endsWith("…") ? 0 : 1), 0);
  expect([read.at(-1), gaps]).toEqual(["after", [`damaged ${many.length * 101 - shown}`]]);
});

test("a compressed file without an index is read, too", async () => {
  await using dir = makeTempDir();
  const writer = writeTwenty(dir.path);
  writer.pack();
  for (const base of [0, fileBytes]) rmSync(indexPath(rotatedPath(writer.source.path, base)));
  expect(await readAll(writer.source)).toEqual({ lines, gaps: [] });
  expect(await readAll(writer.source, { tail: 18 })).toEqual({ lines: lines.slice(2), gaps: [] });
});

test("how long a compressed file is says its index, without a look at the file", async () => {
  await using dir = makeTempDir();
  const writer = writeTwenty(dir.path);
  for (const packed of writer.pack()) writeFileSync(packed, "nonsense");
  const segment = await openRotated(writer.source.path, fileBytes);
  expect(await segment?.file.size()).toBe(fileBytes);
  await segment?.file.close();
  await segment?.index?.close();
  expect(await describeSource(writer.source)).toMatchObject({ rotatedFiles: 4, sizeBytes: 4 * "nonsense".length + fileBytes });
});
