import { appendFileSync, rmSync, truncateSync } from "node:fs";
import { afterEach, expect, test, vi } from "vitest";
import { type FollowOptions, follow, type LogBatch } from "../../../src/logs/follow.ts";
import { indexPath } from "../../../src/logs/log-file-names.ts";
import type { LogEntry } from "../../../src/logs/log-stream.ts";
import { readPage } from "../../../src/logs/read-page.ts";
import { LogWriter } from "../../support/log-writer.ts";
import { makeTempDir } from "../../support/temp-dir.ts";

const texts = (entries: readonly LogEntry[]) => entries.map(({ bytes, partial }) => bytes.toString("latin1") + (partial ? "…" : ""));

afterEach(() => vi.restoreAllMocks());

/** A follower that is asked for batches one by one. */
function startFollowing(options: FollowOptions) {
  const controller = new AbortController();
  const batches = follow(options, controller.signal);
  const next = async (): Promise<LogBatch> => {
    const { value, done } = await batches.next();
    if (done) throw new Error("the follower has ended");
    return value;
  };
  return {
    next,
    /** The next so many entries, and what came with them. */
    async take(count: number): Promise<string[]> {
      const taken: string[] = [];
      while (taken.length < count) {
        const { gaps, entries } = await next();
        taken.push(...gaps.map(({ reason, bytes }) => `${reason} ${bytes}`), ...texts(entries));
      }
      return taken;
    },
    async untilCaughtUp(): Promise<LogBatch> {
      for (;;) {
        const batch = await next();
        if (batch.caughtUp) return batch;
      }
    },
    abort: () => controller.abort(),
    async [Symbol.asyncDispose](): Promise<void> {
      controller.abort();
      await batches.return(undefined);
    },
  };
}

test("lines are given as they are written", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path);
  writer.write("old 1\nold 2\n");
  await using follower = startFollowing({ sources: () => [writer.source], tail: 1 });
  expect(await follower.next()).toMatchObject({ entries: [{ bytes: Buffer.from("old 2") }], caughtUp: true });
  writer.write("new 1\nnew 2\n");
  expect(await follower.take(2)).toEqual(["new 1", "new 2"]);
});

test("a follower with nothing to read says at once that it has caught up", async () => {
  await using dir = makeTempDir();
  const { source } = new LogWriter(dir.path);
  await using follower = startFollowing({ sources: () => [source] });
  expect(await follower.next()).toMatchObject({ entries: [], gaps: [], caughtUp: true });
});

test("files are followed over rotation", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path, { settings: { rotateBytes: 100 } });
  await using follower = startFollowing({ sources: () => [writer.source] });
  const expected: string[] = [];
  const taken: string[] = [];
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < 30; i++) {
      expected.push(`line ${round}/${i}`);
      writer.write(`line ${round}/${i}\n`);
    }
    taken.push(...(await follower.take(30)));
  }
  expect(taken).toEqual(expected);
});

test("a line without its end is given after a while, and its rest when it comes", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path);
  writer.write("enter a number: ");
  await using follower = startFollowing({ sources: () => [writer.source] });
  expect(await follower.take(1)).toEqual(["enter a number: …"]);
  writer.write("42\nnext\n");
  expect(await follower.take(2)).toEqual(["42", "next"]);
});

test("a line that is written in two parts soon after each other is given as one", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path);
  writer.write("one\ntw");
  await using follower = startFollowing({ sources: () => [writer.source] });
  expect(await follower.take(1)).toEqual(["one"]);
  writer.write("o\n");
  expect(await follower.take(1)).toEqual(["two"]);
});

test("a source that appears later is followed, without what it said in an earlier life", async () => {
  await using dir = makeTempDir();
  const first = new LogWriter(dir.path, { instance: "default/web#0" });
  const second = new LogWriter(dir.path, { instance: "default/web#1" });
  vi.spyOn(Date, "now").mockReturnValue(1_000_000);
  second.write("an earlier life\n");
  second.close();
  vi.restoreAllMocks();
  const sources = [first.source];
  await using follower = startFollowing({ sources: () => sources });
  await follower.untilCaughtUp();
  sources.push(second.source);
  second.write("hello\n");
  expect(await follower.take(1)).toEqual(["hello"]);
});

test("a source that appears after the clock was set back is given from its beginning", async () => {
  await using dir = makeTempDir();
  const first = new LogWriter(dir.path, { instance: "default/web#0" });
  const second = new LogWriter(dir.path, { instance: "default/web#1" });
  using clock = vi.spyOn(Date, "now").mockReturnValue(2_000_000_000);
  const sources = [first.source];
  await using follower = startFollowing({ sources: () => sources });
  await follower.untilCaughtUp();
  clock.mockReturnValue(1_000_000_000);
  second.write("hello\n");
  sources.push(second.source);
  expect(await follower.take(1)).toEqual(["hello"]);
});

test("a file that is written for the first time while it is followed is given from its beginning", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(`${dir.path}/not/yet/there`);
  await using follower = startFollowing({ sources: () => [writer.source], tail: 0 });
  await follower.untilCaughtUp();
  writer.write("hello\n");
  expect(await follower.take(1)).toEqual(["hello"]);
});

test("the cursor of any batch goes on where it ended", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path, { settings: { rotateBytes: 5000 } });
  const expected = Array.from({ length: 1000 }, (_, i) => `line ${i}`);
  writer.write(expected.map((line) => `${line}\n`).join(""));
  const taken: string[] = [];
  let cursor: string | undefined;
  while (taken.length < expected.length) {
    await using follower = startFollowing({ sources: () => [writer.source], cursor });
    const batch = await follower.next();
    expect(batch.entries.length).toBeLessThanOrEqual(256);
    taken.push(...texts(batch.entries));
    cursor = batch.cursor;
  }
  expect(taken).toEqual(expected);
  expect(await readPage({ sources: [writer.source], cursor, maxEntries: 10 })).toMatchObject({ entries: [], atEnd: true });
});

test("a follower that is too slow is told how much was rotated away", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path, { settings: { rotateBytes: 10, backups: 2 } });
  writer.write("line 0\n");
  await using follower = startFollowing({ sources: () => [writer.source] });
  expect(await follower.take(1)).toEqual(["line 0"]);
  for (let i = 1; i < 9; i++) writer.write(`line ${i}\n`);
  // It holds the first file open, and nothing else.
  expect(await follower.take(4)).toEqual(["rotated_away 35", "line 6", "line 7", "line 8"]);
});

test("a follower reads to its end what was removed under it, and goes on with what comes after", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path);
  writer.write("one\n");
  await using follower = startFollowing({ sources: () => [writer.source] });
  expect(await follower.take(1)).toEqual(["one"]);
  writer.write("two\n");
  rmSync(writer.source.path);
  writer.reopen("left");
  writer.write("three\n");
  expect(await follower.take(2)).toEqual(["two", "three"]);
});

test("bytes that stand where others stood are not taken for those that follow them", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path);
  writer.write("one\ntwo\n");
  await using follower = startFollowing({ sources: () => [writer.source] });
  expect(await follower.take(2)).toEqual(["one", "two"]);
  truncateSync(writer.source.path);
  writer.write("three\nfour\nfive\n");
  expect(await follower.take(3)).toEqual(["three", "four", "five"]);
});

test("garbage in an index does not keep a follower from the next file", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path);
  writer.write("one\n");
  await using follower = startFollowing({ sources: () => [writer.source] });
  expect(await follower.take(1)).toEqual(["one"]);
  appendFileSync(indexPath(writer.source.path), Buffer.alloc(32, 0xff));
  writer.write("two\n");
  writer.rotate();
  writer.write("three\n");
  expect(await follower.take(2)).toEqual(["two", "three"]);
});

test("a follower is told how far behind it is, and that it is not when it has caught up", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path, { settings: { rotateBytes: 2000 } });
  const line = "twenty bytes a line\n";
  writer.write(line.repeat(1000));
  await using follower = startFollowing({ sources: () => [writer.source] });
  for (let left = 1000; left > 0; ) {
    const { entries, lagBytes } = await follower.next();
    left -= entries.length;
    expect(lagBytes).toBe(left * line.length);
  }
});

test("a follower ends when it is aborted, wherever it waits", async () => {
  await using dir = makeTempDir();
  const { source } = new LogWriter(dir.path);
  await using follower = startFollowing({ sources: () => [source] });
  await follower.untilCaughtUp();
  const next = follower.next();
  follower.abort();
  await expect(next).rejects.toThrow("the follower has ended");
});
