import { afterEach, expect, test, vi } from "vitest";
import { follow } from "../../../src/logs/follow.ts";
import { LineFilter, type WantedLines } from "../../../src/logs/line-filter.ts";
import type { LogEntry } from "../../../src/logs/log-stream.ts";
import { type LogPage, type ReadOptions, readPage } from "../../../src/logs/read-page.ts";
import { LogWriter } from "../../support/log-writer.ts";
import { makeTempDir } from "../../support/temp-dir.ts";

const texts = (entries: readonly LogEntry[]) => entries.map(({ bytes, partial }) => bytes.toString("latin1") + (partial ? "…" : ""));

afterEach(() => vi.restoreAllMocks());

async function readAll(writers: readonly LogWriter[], wanted: WantedLines, options: Partial<ReadOptions> = {}): Promise<LogPage[]> {
  const filter = new LineFilter(wanted);
  const pages: LogPage[] = [];
  try {
    do {
      const cursor = pages.at(-1)?.cursor ?? options.cursor;
      pages.push(await readPage({ sources: writers.map(({ source }) => source), maxEntries: 3, filter, ...options, cursor }));
    } while (!pages.at(-1)?.atEnd);
  } finally {
    filter.close();
  }
  return pages;
}

const linesOf = (pages: readonly LogPage[]) => texts(pages.flatMap(({ entries }) => entries));

/** Line i is written at i seconds, by run `r0`, `r1` …, ten lines each, into files of three lines, of which the older are compressed. */
function writeThirty(directory: string, instance = "default/web#0"): LogWriter {
  const writer = new LogWriter(directory, { instance });
  for (let i = 0; i < 30; i++) {
    vi.spyOn(Date, "now").mockReturnValue(i * 1000);
    vi.spyOn(performance, "now").mockReturnValue(i * 1000);
    writer.write(`line ${i} ${i % 4 === 0 ? "Fizz" : "none"}\n`, `r${Math.floor(i / 10)}`);
    if (i % 3 === 2) writer.rotate();
  }
  vi.restoreAllMocks();
  writer.pack();
  return writer;
}

const fizzes = [0, 4, 8, 12, 16, 20, 24, 28].map((i) => `line ${i} Fizz`);

const searches: [string, WantedLines, string[]][] = [
  ["grep", { grep: "Fizz" }, fizzes],
  ["grep that ignores case", { grep: "fIZz", ignoreCase: true }, fizzes],
  ["grep that does not", { grep: "fIZz" }, []],
  ["a regular expression", { regex: "^line \\d*[48] F" }, ["line 4 Fizz", "line 8 Fizz", "line 24 Fizz", "line 28 Fizz"]],
  ["a regular expression that ignores case", { regex: "FIZZ$", ignoreCase: true }, fizzes],
  ["a run", { runs: new Set(["r1"]) }, Array.from({ length: 10 }, (_, i) => `line ${10 + i} ${(10 + i) % 4 === 0 ? "Fizz" : "none"}`)],
  ["all of them", { runs: new Set(["r1", "r2"]), grep: "Fizz", regex: "[02] " }, ["line 12 Fizz", "line 20 Fizz"]],
];

test.each(searches)("%s gives the lines that it should, whole or the last of them, page by page", async (_, wanted, expected) => {
  await using dir = makeTempDir();
  const writer = writeThirty(dir.path);
  expect(linesOf(await readAll([writer], wanted))).toEqual(expected);
  for (const tail of [1, 2, 5, 100]) expect(linesOf(await readAll([writer], wanted, { tail })), `tail ${tail}`).toEqual(expected.slice(-tail));
});

test("a page that is full goes on with the very next line, whatever was looked at beyond it", async () => {
  await using dir = makeTempDir();
  const writers = [writeThirty(dir.path), writeThirty(dir.path, "default/web#1")];
  const pages = await readAll(writers, { regex: "Fizz" }, { maxEntries: 1 });
  expect(pages.every(({ entries }) => entries.length <= 1)).toBe(true);
  expect(linesOf(pages)).toEqual(fizzes.flatMap((line) => [line, line]));
});

test.each([{ grep: "Fizz" }, { regex: "Fizz" }])("the last wanted lines of several sources are those of all together: %o", async (wanted) => {
  await using dir = makeTempDir();
  const writers = [0, 1, 2].map((i) => new LogWriter(dir.path, { instance: `default/web#${i}` }));
  for (const [i, word] of ["Fizz", "none", "Fizz"].entries()) writers[i]?.write(`${i} ${word}\n${word} again\n`);
  expect(linesOf(await readAll(writers, wanted, { tail: 10 })).sort()).toEqual(["0 Fizz", "2 Fizz", "Fizz again", "Fizz again"]);
});

test("until leaves out what was read later, alone, with since, and with tail", async () => {
  await using dir = makeTempDir();
  const writer = writeThirty(dir.path);
  const numbers = (pages: readonly LogPage[]) => linesOf(pages).map((line) => Number(line.split(" ")[1]));
  expect(numbers(await readAll([writer], {}, { untilMs: 4000 }))).toEqual([0, 1, 2, 3, 4]);
  expect(numbers(await readAll([writer], {}, { untilMs: 4999 }))).toEqual([0, 1, 2, 3, 4]);
  expect(numbers(await readAll([writer], {}, { sinceMs: 17_500, untilMs: 20_000 }))).toEqual([18, 19, 20]);
  expect(numbers(await readAll([writer], {}, { tail: 2, untilMs: 20_500 }))).toEqual([19, 20]);
  expect(numbers(await readAll([writer], { grep: "Fizz" }, { tail: 2, untilMs: 19_000 }))).toEqual([12, 16]);
  expect(numbers(await readAll([writer], {}, { untilMs: 60_000 }))).toHaveLength(30);
  expect(await readAll([writer], {}, { sinceMs: 20_500, untilMs: 20_900 })).toMatchObject([{ entries: [], atEnd: true }]);
});

test("a search looks at so much for one answer, and goes on from there: forward, and for the last lines", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path);
  writer.write("needle 1\nneedle 2\n");
  for (let i = 0; i < 40; i++) writer.write(`${"hay ".repeat(16_000)}\n`.repeat(10));
  writer.write("needle 3\n");
  const forward = await readAll([writer], { grep: "needle" }, { maxEntries: 100 });
  expect(linesOf(forward)).toEqual(["needle 1", "needle 2", "needle 3"]);
  expect(forward.length).toBeGreaterThanOrEqual(3);
  const backward = await readAll([writer], { grep: "needle" }, { maxEntries: 100, tail: 2 });
  expect(linesOf(backward)).toEqual(["needle 2", "needle 3"]);
  expect(backward[0]).toMatchObject({ entries: [], atEnd: false });
});

test("a search for the last lines is not led astray by lines that are written while it lasts", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path);
  writer.write("needle 1\n");
  for (let i = 0; i < 20; i++) writer.write(`${"hay ".repeat(16_000)}\n`.repeat(10));
  const filter = new LineFilter({ grep: "needle" });
  const first = await readPage({ sources: [writer.source], maxEntries: 10, tail: 5, filter });
  expect(first).toMatchObject({ entries: [], atEnd: false });
  writer.write("needle 2\n");
  writer.rotate();
  writer.write("needle 3\n");
  filter.close();
  const rest = await readAll([writer], { grep: "needle" }, { maxEntries: 10, cursor: first.cursor });
  expect(linesOf(rest)).toEqual(["needle 1", "needle 2", "needle 3"]);
});

test("an expression that does not come to an end is ended, named, and stalls nobody", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path);
  writer.write(`${"a".repeat(64)}b\n`);
  let turns = 0;
  const turn = setInterval(() => turns++, 1);
  await expect(readAll([writer], { regex: "^(a+)+$" })).rejects.toMatchObject({
    reason: "INVALID_FIELD",
    message: expect.stringContaining("/^(a+)+$/"),
  });
  clearInterval(turn);
  expect(turns).toBeGreaterThan(50);
});

test("an expression that is none is refused with what is wrong with it", () => {
  expect(() => new LineFilter({ regex: "a(" })).toThrow(expect.objectContaining({ reason: "INVALID_FIELD", message: expect.stringContaining("a(") }));
});

test("a gap is told also where the lines around it are not wanted", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path);
  writer.write("needle\nhay\n");
  writer.reopen("killed");
  writer.write("more hay\n");
  const pages = await readAll([writer], { grep: "needle" });
  expect([linesOf(pages), pages.flatMap(({ gaps }) => gaps.map(({ reason }) => reason))]).toEqual([["needle"], ["pump_killed"]]);
});

test.each([{ grep: "odd" }, { regex: "od+" }])(
  "a follower gives what is wanted and nothing else, also of more than fits into a batch: %o",
  async (wanted) => {
    await using dir = makeTempDir();
    const writer = new LogWriter(dir.path);
    const all = Array.from({ length: 2000 }, (_, i) => `${i} ${i % 2 === 0 ? "even" : "odd"}`);
    writer.write(`${all.slice(0, 1500).join("\n")}\n`);
    const filter = new LineFilter(wanted);
    const end = new AbortController();
    const read: string[] = [];
    for await (const { entries, caughtUp } of follow({ sources: () => [writer.source], filter }, end.signal)) {
      read.push(...texts(entries));
      if (caughtUp && read.length === 750) writer.write(`${all.slice(1500).join("\n")}\n`);
      if (read.length >= 1000) end.abort();
    }
    filter.close();
    expect(read).toEqual(all.filter((line) => line.endsWith("odd")));
  },
);

test("a follower that begins with the last wanted lines says that it is looking for them, and finds them", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path);
  writer.write("needle 1\nneedle 2\n");
  for (let i = 0; i < 20; i++) writer.write(`${"hay ".repeat(16_000)}\n`.repeat(10));
  const end = new AbortController();
  const batches: string[][] = [];
  const filter = new LineFilter({ grep: "needle" });
  for await (const { entries, caughtUp } of follow({ sources: () => [writer.source], filter, tail: 1 }, end.signal)) {
    batches.push(texts(entries));
    if (caughtUp) end.abort();
  }
  expect(batches[0]).toEqual([]);
  expect(batches.flat()).toEqual(["needle 2"]);
});
