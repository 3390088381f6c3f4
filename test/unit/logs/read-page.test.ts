import { appendFileSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import fc from "fast-check";
import { afterEach, expect, test, vi } from "vitest";
import { encodeRecord } from "../../../src/logs/index-format.ts";
import { indexPath, rotatedPath } from "../../../src/logs/log-file-names.ts";
import type { LogEntry, LogStreamRef } from "../../../src/logs/log-stream.ts";
import { type LogPage, type ReadFrom, readPage } from "../../../src/logs/read-page.ts";
import { LogWriter } from "../../support/log-writer.ts";
import { makeTempDir } from "../../support/temp-dir.ts";

const texts = (entries: readonly LogEntry[]) => entries.map(({ bytes, partial }) => bytes.toString("latin1") + (partial ? "…" : ""));
const read = (sources: readonly LogStreamRef[], from: ReadFrom = {}, maxEntries = 1000) => readPage({ sources, maxEntries, ...from });

afterEach(() => vi.restoreAllMocks());

/** The pump's clocks, under the test's hand; in ms since 1970. */
function setClock(ms: number): void {
  vi.spyOn(Date, "now").mockReturnValue(ms);
  vi.spyOn(performance, "now").mockReturnValue(ms);
}

async function readAll(sources: readonly LogStreamRef[], pageSizes: readonly number[], from: ReadFrom = {}): Promise<LogPage[]> {
  const pages: LogPage[] = [];
  for (let i = 0; ; i++) {
    const page = await read(sources, pages.length === 0 ? from : { cursor: pages.at(-1)?.cursor }, pageSizes[i % pageSizes.length]);
    pages.push(page);
    if (page.atEnd) return pages;
  }
}

test("whatever the chunks, files and pages, every line is read once and in order", async () => {
  const lines = fc.array(fc.stringMatching(/^[ab]{0,20}$/), { minLength: 1, maxLength: 40 });
  const settings = fc.record({ rotateBytes: fc.integer({ min: 1, max: 60 }), cuts: fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }) });
  const pages = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(lines, settings, pages, async (lines, { rotateBytes, cuts }, pages) => {
      await using dir = makeTempDir();
      const writer = new LogWriter(dir.path, { settings: { rotateBytes } });
      const input = lines.map((line) => `${line}\n`).join("");
      for (let at = 0, i = 0; at < input.length; i++) {
        const length = cuts[i % cuts.length] ?? 1;
        writer.write(input.slice(at, at + length));
        at += length;
      }
      writer.close();
      const entries = (await readAll([writer.source], pages)).flatMap(({ entries }) => entries);
      expect(texts(entries)).toEqual(lines);
    }),
    { numRuns: 60 },
  );
});

test("two streams are merged by time, each in its own order", async () => {
  await using dir = makeTempDir();
  const out = new LogWriter(dir.path);
  const err = new LogWriter(dir.path, { stream: "stderr" });
  for (let i = 0; i < 6; i++) {
    setClock(1_000_000 + i * 10);
    (i % 2 === 0 ? out : err).write(`${i}\n${i}'\n`);
  }
  vi.restoreAllMocks();
  const { entries } = await read([err.source, out.source]);
  expect(texts(entries)).toEqual(["0", "0'", "1", "1'", "2", "2'", "3", "3'", "4", "4'", "5", "5'"]);
  expect(entries[2]).toMatchObject({ instance: "default/web#0", stream: "stderr", timeMs: 1_000_010, runId: "r1" });
});

test("tail gives the last lines of all sources together", async () => {
  await using dir = makeTempDir();
  const writers = ["default/a#0", "default/b#0", "default/c#0"].map(
    (instance) => new LogWriter(dir.path, { instance, settings: { rotateBytes: 50 } }),
  );
  for (let i = 0; i < 300; i++) {
    setClock(1_000_000 + i * 10);
    // c has written nothing for long
    writers[i < 30 ? 2 : i % 7 === 0 ? 1 : 0]?.write(`line ${i}\n`);
  }
  vi.restoreAllMocks();
  const sources = writers.map(({ source }) => source);
  for (const tail of [0, 1, 10, 99, 300, 1000]) {
    const pages = await readAll(sources, [7], { tail });
    const expected = Array.from({ length: 300 }, (_, i) => `line ${i}`).slice(Math.max(0, 300 - tail));
    expect(texts(pages.flatMap(({ entries }) => entries)), `tail ${tail}`).toEqual(expected);
  }
});

test("of lines with one time tail takes those that are last in the merge", async () => {
  await using dir = makeTempDir();
  const writers = ["default/a#0", "default/b#0"].map((instance) => new LogWriter(dir.path, { instance }));
  setClock(1_000_000);
  for (const [i, writer] of writers.entries()) writer.write(`${i}\n${i}'\n`);
  vi.restoreAllMocks();
  const sources = writers.map(({ source }) => source);
  expect(texts((await read(sources)).entries)).toEqual(["0", "0'", "1", "1'"]);
  expect(texts((await read(sources, { tail: 3 })).entries)).toEqual(["0'", "1", "1'"]);
});

test("since leaves out what was read before, over rotated files, alone and with tail", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path, { settings: { rotateBytes: 50 } });
  for (let i = 0; i < 100; i++) {
    setClock(1_000_000 + i * 10);
    writer.write(`line ${i}\n`);
  }
  vi.restoreAllMocks();
  expect(texts((await read([writer.source], { sinceMs: 1_000_875 })).entries)).toEqual(Array.from({ length: 12 }, (_, i) => `line ${88 + i}`));
  expect(texts((await read([writer.source], { sinceMs: 1_000_985, tail: 50 })).entries)).toEqual(["line 99"]);
  expect(texts((await read([writer.source], { sinceMs: 1_000_000, tail: 2 })).entries)).toEqual(["line 98", "line 99"]);
  const page = await read([writer.source], { sinceMs: 2_000_000 });
  expect(page).toMatchObject({ entries: [], atEnd: true });
  writer.write("new\n");
  expect(texts((await read([writer.source], { cursor: page.cursor })).entries)).toEqual(["new"]);
});

test("since does not begin in the middle of a line", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path);
  setClock(1_000_000);
  writer.write("old line that is ");
  setClock(2_000_000);
  writer.write("continued\nnew line\n");
  vi.restoreAllMocks();
  expect(texts((await read([writer.source], { sinceMs: 1_500_000 })).entries)).toEqual(["new line"]);
});

test("a line has the time of its first byte", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path);
  setClock(1_000_000);
  writer.write("be");
  setClock(2_000_000);
  writer.write("gun\nnext\n");
  vi.restoreAllMocks();
  const { entries } = await read([writer.source]);
  expect(entries.map(({ timeMs }) => timeMs)).toEqual([1_000_000, 2_000_000]);
});

test("a line without its end is given as partial, and its rest as an entry of its own", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path);
  writer.write("one\ntw");
  const page = await read([writer.source]);
  expect(texts(page.entries)).toEqual(["one", "tw…"]);
  writer.write("o\nthree\n");
  const next = await read([writer.source], { cursor: page.cursor });
  expect(texts(next.entries)).toEqual(["o", "three"]);
});

test("a line longer than 64 KiB comes in pieces", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path);
  const line = "x".repeat(200_000);
  writer.write(`before\n${line}\nafter\n`);
  const { entries } = await read([writer.source]);
  expect(entries.map(({ bytes, partial }) => [bytes.length, partial])).toEqual([
    [6, false],
    [65_536, true],
    [65_536, true],
    [65_536, true],
    [200_000 - 3 * 65_536, false],
    [5, false],
  ]);
  expect(Buffer.concat(entries.slice(1, 5).map(({ bytes }) => bytes)).toString()).toBe(line);
});

test("a page holds no more than its bytes, however many entries are asked for", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path);
  for (let i = 0; i < 300; i++) writer.write(`${"x".repeat(10_000)}\n`);
  const pages = await readAll([writer.source], [10_000]);
  expect(pages.length).toBeGreaterThan(2);
  expect(pages.flatMap(({ entries }) => entries)).toHaveLength(300);
});

test("any bytes but the newline are kept", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path);
  const bytes = Buffer.from([0, 255, 254, 13, 27, 91, 0xc3, 0x28, 9]);
  writer.write(Buffer.concat([bytes, Buffer.from("\n\n")]));
  const { entries } = await read([writer.source]);
  expect(entries.map(({ bytes }) => bytes)).toEqual([bytes, Buffer.alloc(0)]);
});

test("a run that ends without a newline does not run into the next one", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path);
  writer.write("no newline", "r1");
  writer.write("first\nsecond\n", "r2");
  const { entries } = await read([writer.source]);
  expect(texts(entries)).toEqual(["no newline…", "first", "second"]);
  expect(entries.map(({ runId }) => runId)).toEqual(["r1", "r2", "r2"]);
});

test("a gap stands where the pump was killed, once, and no line runs over it", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path);
  writer.write("one\ntw");
  writer.reopen("killed");
  writer.write("ree\nfour\n");
  const pages = await readAll([writer.source], [1]);
  expect(pages.map(({ entries, gaps }) => [...gaps.map(({ reason }) => reason), ...texts(entries)])).toEqual([
    ["one"],
    ["tw…"],
    ["pump_killed", "ree"],
    ["four"],
    [],
  ]);
});

test("a gap is told also when the file was full just then, and the bytes after it are in the next one", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path, { settings: { rotateBytes: 4 } });
  writer.write("one\n");
  writer.reopen("killed");
  writer.write("two\n");
  for (const pageSize of [1, 100]) {
    const pages = await readAll([writer.source], [pageSize]);
    expect(pages.flatMap(({ gaps }) => gaps.map(({ reason }) => reason))).toEqual(["pump_killed"]);
    expect(pages.flatMap(({ entries }) => texts(entries))).toEqual(["one", "two"]);
  }
});

test("a gap behind the last byte of a file stands before the first of the next, and no line runs over it", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path);
  writer.write("one\ntw");
  const gap = { kind: "gap", reason: "dropped", bytes: 7, position: 6, timeUs: 1 } as const;
  appendFileSync(indexPath(writer.source.path), encodeRecord(gap));
  writer.rotate();
  writer.write("ree\n");
  const { entries, gaps } = await read([writer.source]);
  expect([texts(entries), gaps.map(({ reason, bytes }) => [reason, bytes])]).toEqual([["one", "tw…", "ree"], [["dropped", 7]]]);
});

test("a planned change of the pump leaves no gap", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path);
  writer.write("on");
  writer.reopen("left");
  writer.write("e\n");
  expect(await read([writer.source])).toMatchObject({ gaps: [], entries: [{ partial: false }] });
});

test("what was rotated away before it was read is a gap with its size", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path, { settings: { rotateBytes: 10, backups: 2 } });
  writer.write("line 0\n");
  const { cursor } = await read([writer.source]);
  for (let i = 1; i < 6; i++) writer.write(`line ${i}\n`);
  const page = await read([writer.source], { cursor });
  expect(page.gaps).toMatchObject([{ reason: "rotated_away", bytes: 14 }]);
  expect(texts(page.entries)).toEqual(["line 3", "line 4", "line 5"]);
  expect((await read([writer.source], { cursor: page.cursor })).gaps).toEqual([]);
});

test("what was purged is a gap for whoever had not read it, and nobody else", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path);
  writer.write("read\n");
  const behind = await read([writer.source]);
  writer.write("unread\n");
  const ahead = await read([writer.source]);
  writer.purge();
  writer.write("new\n");
  expect(await read([writer.source], { cursor: behind.cursor })).toMatchObject({ gaps: [{ reason: "rotated_away", bytes: 7 }] });
  const { gaps, entries } = await read([writer.source], { cursor: ahead.cursor });
  expect([gaps, texts(entries)]).toEqual([[], ["new"]]);
});

test("what was truncated is a gap for whoever had not read it", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path);
  writer.write("read\n");
  const behind = await read([writer.source]);
  writer.write("unread\n");
  const ahead = await read([writer.source]);
  truncateSync(writer.source.path);
  writer.reopen("left");
  writer.write("new\n");
  const page = await read([writer.source], { cursor: behind.cursor });
  expect([page.gaps.map(({ reason, bytes }) => [reason, bytes]), texts(page.entries)]).toEqual([[["truncated", 7]], ["new"]]);
  const { gaps, entries } = await read([writer.source], { cursor: ahead.cursor });
  expect([gaps, texts(entries)]).toEqual([[], ["new"]]);
});

test("a cursor of a stream that was removed and begun anew begins anew, and says so", async () => {
  await using dir = makeTempDir();
  const before = new LogWriter(dir.path);
  before.write("a long first life\n");
  const { cursor } = await read([before.source]);
  before.close();
  rmSync(before.source.path);
  rmSync(indexPath(before.source.path));
  const after = new LogWriter(dir.path);
  after.write("new\n");
  const page = await read([after.source], { cursor });
  expect([page.gaps.map(({ reason }) => reason), texts(page.entries)]).toEqual([["truncated"], ["new"]]);
});

test("a log without an index is readable, and a damaged index is no index", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path);
  mkdirSync(dirname(writer.source.path), { recursive: true });
  writeFileSync(writer.source.path, "one\ntwo\nthree\n");
  for (const index of [undefined, "", "no index at all, but longer than a record of it"]) {
    if (index !== undefined) writeFileSync(indexPath(writer.source.path), index);
    expect(texts((await read([writer.source])).entries)).toEqual(["one", "two", "three"]);
    expect(texts((await read([writer.source], { tail: 2 })).entries)).toEqual(["two", "three"]);
  }
});

test("garbage at the end of an index hides no line", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path);
  writer.write("one\n");
  appendFileSync(indexPath(writer.source.path), Buffer.alloc(32, 0xff));
  appendFileSync(indexPath(writer.source.path), "half");
  expect(texts((await read([writer.source])).entries)).toEqual(["one"]);
});

test("whatever an index says, every line is read once", async () => {
  const damage = fc.array(fc.record({ at: fc.nat(2000), bytes: fc.uint8Array({ minLength: 1, maxLength: 70 }) }), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(damage, fc.boolean(), async (damage, inPresent) => {
      await using dir = makeTempDir();
      const writer = new LogWriter(dir.path);
      const lines = Array.from({ length: 60 }, (_, i) => `line ${i}`);
      for (const [i, line] of lines.entries()) {
        // A record for each line, on a quick machine too.
        vi.spyOn(performance, "now").mockReturnValue(5000 + i * 2);
        writer.write(`${line}\n`, `r${i % 3}`);
        if (i === 29) writer.rotate();
      }
      vi.restoreAllMocks();
      const index = indexPath(inPresent ? writer.source.path : rotatedPath(writer.source.path, 0));
      const content = readFileSync(index);
      for (const { at, bytes } of damage) content.set(bytes.subarray(0, content.length - (at % content.length)), at % content.length);
      writeFileSync(index, content);
      const page = await read([writer.source]);
      expect(page.entries.map(({ bytes }) => bytes.toString()).join("")).toBe(lines.join(""));
    }),
    // The header that says that the present file is the first of all was found by chance, once in many runs.
    { numRuns: 100, examples: [[[{ at: 0, bytes: Uint8Array.from([0]) }], true]] },
  );
});

test("a rotated file whose index was removed is read all the same", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path);
  writer.write("one\n");
  writer.rotate();
  writer.write("two\n");
  rmSync(indexPath(rotatedPath(writer.source.path, 0)));
  expect(texts((await read([writer.source])).entries)).toEqual(["one", "two"]);
});

test("a source without a file has nothing to say, and is read from its beginning when it has one", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path);
  const page = await read([writer.source], { tail: 10 });
  expect(page).toMatchObject({ entries: [], gaps: [], atEnd: true });
  writer.write("hello\n");
  expect(texts((await read([writer.source], { cursor: page.cursor, tail: 10 })).entries)).toEqual(["hello"]);
});

test("two streams in one file are read once", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path);
  writer.write("once\n");
  expect(texts((await read([writer.source, { ...writer.source, stream: "stderr" }])).entries)).toEqual(["once"]);
});

test("a cursor that was not made here is refused", async () => {
  await expect(read([], { cursor: "nonsense" })).rejects.toMatchObject({ reason: "INVALID_CURSOR" });
});
