import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { afterEach, expect, test, vi } from "vitest";
import { indexPath, rotatedPath } from "../../../src/logs/log-file-names.ts";
import { LogFile, type LogSettings } from "../../../src/pump/log-file.ts";
import { logFiles, readIndex, wholeLog } from "../../support/log-content.ts";
import { plainSettings } from "../../support/log-settings.ts";
import { makeTempDir, type TempDir } from "../../support/temp-dir.ts";

const pathIn = (dir: TempDir) => join(dir.path, "web/out.log");
const write = (file: LogFile, text: string, runId = "r1") => file.append(Buffer.from(text), runId);
/** The name of the file is looked at once a second. */
const passSecond = () => vi.spyOn(performance, "now").mockReturnValue(performance.now() + 1500);

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

function openFile(dir: TempDir, settings: Partial<LogSettings> = {}): LogFile {
  return new LogFile(pathIn(dir), { ...plainSettings, ...settings });
}

test("whatever the chunks and the limit, the files hold the input, cut between lines but for lines longer than the limit", async () => {
  const chunks = fc.array(fc.stringMatching(/^[ab\n]{1,30}$/), { minLength: 1, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(chunks, fc.integer({ min: 1, max: 40 }), async (chunks, rotateBytes) => {
      await using dir = makeTempDir();
      const file = openFile(dir, { rotateBytes });
      for (const chunk of chunks) write(file, chunk);
      file.close();
      const input = chunks.join("");
      const contents = logFiles(file.path).map((name) => readFileSync(name, "latin1"));
      expect(contents.join("")).toBe(input);
      let boundary = 0;
      for (const content of contents.slice(0, -1)) {
        expect(content.length).toBeGreaterThan(0);
        expect(content.length).toBeLessThanOrEqual(2 * rotateBytes);
        boundary += content.length;
        if (!content.endsWith("\n")) expect(lineAround(input, boundary).length).toBeGreaterThan(rotateBytes);
      }
    }),
    { numRuns: 50 },
  );
});

test("positions go on from file to file, and times never fall", async () => {
  await using dir = makeTempDir();
  const file = openFile(dir, { rotateBytes: 100 });
  for (let i = 0; i < 200; i++) write(file, `line ${i}\n`, `r${i % 3}`);
  file.close();
  const files = logFiles(file.path);
  expect(files.length).toBeGreaterThan(10);
  let end = 0;
  let timeUs = 0;
  for (const name of files) {
    const [header, ...records] = readIndex(name);
    expect(header).toMatchObject({ kind: "header", position: end });
    end += statSync(name).size;
    expect(records.at(-1)).toMatchObject({ kind: name === file.path ? "closed" : "rotated", position: end });
    for (const record of records) {
      expect(record.timeUs).toBeGreaterThanOrEqual(timeUs);
      timeUs = record.timeUs;
    }
  }
});

test("only so many files are kept, the newest, each with its index", async () => {
  await using dir = makeTempDir();
  const file = openFile(dir, { rotateBytes: 10, backups: 2 });
  for (const letter of "abcdef") write(file, `${letter.repeat(9)}\n`);
  file.close();
  expect(logFiles(file.path).map((name) => readFileSync(name, "latin1")[0])).toEqual(["d", "e", "f"]);
  expect(logFiles(file.path).every((name) => existsSync(indexPath(name)))).toBe(true);
  expect(existsSync(indexPath(rotatedPath(file.path, 0)))).toBe(false);
});

test("the size that is there already counts", async () => {
  await using dir = makeTempDir();
  mkdirSync(dirname(pathIn(dir)));
  writeFileSync(pathIn(dir), "old line\n");
  const file = openFile(dir, { rotateBytes: 12, backups: 5 });
  write(file, "new line\n");
  file.close();
  expect(logFiles(file.path).map((name) => readFileSync(name, "latin1"))).toEqual(["old line\n", "new line\n"]);
});

test("a rotation that was cut short is finished", async () => {
  const cuts: Record<string, (path: string) => void> = {
    "after the index was renamed": (path) => renameSync(indexPath(path), indexPath(rotatedPath(path, 0))),
    "after both were renamed": (path) => {
      renameSync(indexPath(path), indexPath(rotatedPath(path, 0)));
      renameSync(path, rotatedPath(path, 0));
    },
    "after the new file was made": (path) => {
      renameSync(indexPath(path), indexPath(rotatedPath(path, 0)));
      renameSync(path, rotatedPath(path, 0));
      writeFileSync(path, "");
    },
  };
  for (const [when, cut] of Object.entries(cuts)) {
    await using dir = makeTempDir();
    const before = openFile(dir);
    write(before, "one\n");
    before.close();
    cut(before.path);
    const after = openFile(dir);
    write(after, "two\n");
    after.close();
    expect(logFiles(after.path), when).toEqual([rotatedPath(after.path, 0), after.path]);
    expect(wholeLog(after.path).toString(), when).toBe("one\ntwo\n");
    expect(readIndex(rotatedPath(after.path, 0)).at(-1), when).toMatchObject({ kind: "rotated", position: 4 });
    expect(readIndex(after.path)[0], when).toMatchObject({ kind: "header", position: 4 });
    const epochs = logFiles(after.path).map((name) => readIndex(name)[0]);
    expect(readIndex(after.path)[1], when).toMatchObject({ kind: "gap", reason: "pump_killed", position: 4 });
    expect(epochs[0], when).toMatchObject({ epoch: (epochs[1] as { epoch: number }).epoch });
  }
});

test("an index that was not closed tells that a pump was killed, one that was closed does not", async () => {
  await using dir = makeTempDir();
  write(openFile(dir), "one\n"); // and never closed
  const after = openFile(dir);
  write(after, "two\n");
  after.close();
  const again = openFile(dir);
  write(again, "three\n");
  const gaps = readIndex(after.path).filter(({ kind }) => kind === "gap");
  expect(gaps).toMatchObject([{ reason: "pump_killed", position: 4, bytes: 0 }]);
});

test("half a record at the end of an index is cut off", async () => {
  await using dir = makeTempDir();
  const before = openFile(dir);
  write(before, "one\n");
  before.close();
  appendFileSync(indexPath(before.path), "half a record");
  const after = openFile(dir);
  write(after, "two\n", "r2");
  after.close();
  expect(readIndex(after.path).map(({ kind, position }) => [kind, position])).toEqual([
    ["header", 0],
    ["chunk", 0],
    ["closed", 4],
    ["chunk", 4],
    ["closed", 8],
  ]);
});

test("without an index the bytes count from 0, at the time of the file", async () => {
  await using dir = makeTempDir();
  mkdirSync(dirname(pathIn(dir)));
  writeFileSync(pathIn(dir), "old\n");
  const mtimeUs = Math.floor(statSync(pathIn(dir)).mtimeMs * 1000);
  const file = openFile(dir);
  write(file, "new\n");
  file.close();
  expect(readIndex(file.path)).toMatchObject([
    { kind: "header", position: 0 },
    { kind: "chunk", position: 0, timeUs: mtimeUs },
    { kind: "chunk", position: 4 },
    { kind: "closed", position: 8 },
  ]);
});

test("a file that was cut goes on at the same positions, and the gap is told", async () => {
  await using dir = makeTempDir();
  const file = openFile(dir);
  write(file, "lost line\n");
  truncateSync(file.path);
  write(file, "seen\n"); // before anybody looked
  passSecond();
  write(file, "next\n");
  file.close();
  expect(readFileSync(file.path, "latin1")).toBe("seen\nnext\n");
  expect(readIndex(file.path)).toMatchObject([
    { kind: "header", position: 10 },
    { kind: "gap", reason: "truncated", position: 10, bytes: 10 },
    { kind: "chunk", position: 10 },
    { kind: "chunk", position: 15 },
    { kind: "closed", position: 20 },
  ]);
});

test("a file that was removed is made again, with its directory, and the gap is told", async () => {
  await using dir = makeTempDir();
  const file = openFile(dir);
  write(file, "lost\n");
  rmSync(dirname(file.path), { recursive: true });
  passSecond();
  write(file, "next\n");
  file.close();
  expect(readFileSync(file.path, "latin1")).toBe("next\n");
  expect(readIndex(file.path)).toMatchObject([
    { kind: "header", position: 5 },
    { kind: "gap", reason: "truncated", bytes: 5 },
    { kind: "chunk", position: 5 },
    { kind: "closed", position: 10 },
  ]);
});

test("a file that was replaced by another is continued", async () => {
  await using dir = makeTempDir();
  const file = openFile(dir);
  write(file, "one\ntwo\n");
  writeFileSync(`${file.path}.edited`, "two\n");
  renameSync(`${file.path}.edited`, file.path);
  passSecond();
  write(file, "three\n");
  file.close();
  expect(readFileSync(file.path, "latin1")).toBe("two\nthree\n");
  expect(readIndex(file.path)[0]).toMatchObject({ kind: "header", position: 4 });
});

test("what somebody else appends is a part of the log, and costs no times", async () => {
  await using dir = makeTempDir();
  const file = openFile(dir);
  write(file, "one\n");
  const [, first] = readIndex(file.path);
  appendFileSync(file.path, "a note\n");
  write(file, "two\n");
  file.close();
  expect(wholeLog(file.path).toString()).toBe("one\na note\ntwo\n");
  expect(readIndex(file.path).slice(1)).toMatchObject([first, { kind: "chunk", position: 11 }, { kind: "closed", position: 15 }]);
});

test("a file that was cut while no pump was there keeps its positions growing", async () => {
  await using dir = makeTempDir();
  const before = openFile(dir);
  write(before, "one\ntwo\n");
  before.close();
  truncateSync(before.path);
  const after = openFile(dir);
  write(after, "three\n");
  after.close();
  expect(readIndex(after.path).slice(0, 2)).toMatchObject([
    { kind: "header", position: 8 },
    { kind: "gap", reason: "truncated", bytes: 8 },
  ]);
});

test("a link in place of the log is not followed, and what it costs is counted", async () => {
  await using dir = makeTempDir();
  const victim = join(dir.path, "victim");
  writeFileSync(victim, "");
  mkdirSync(dirname(pathIn(dir)));
  symlinkSync(victim, pathIn(dir));
  const file = openFile(dir);
  write(file, "line\n");
  expect(file.droppedBytes).toBe(5);
  expect(readFileSync(victim, "latin1")).toBe("");
});

test("after a gap writing begins again at the beginning of a line, and the gap has every byte before it", async () => {
  await using dir = makeTempDir();
  const blocker = dirname(pathIn(dir));
  writeFileSync(blocker, "a file where a directory should be");
  const file = openFile(dir);
  write(file, "lost\nbegin of a line, ");
  rmSync(blocker);
  passSecond();
  write(file, "its end\nwhole line\n");
  file.close();
  expect(readFileSync(file.path, "latin1")).toBe("whole line\n");
  expect(readIndex(file.path).find(({ kind }) => kind === "gap")).toMatchObject({ reason: "dropped", position: 0, bytes: 30 });
  expect(file.droppedBytes).toBe(30);
});

test("what goes to /dev/null is neither written nor missed", () => {
  const file = new LogFile("/dev/null", plainSettings);
  write(file, "line\n");
  expect(file.droppedBytes).toBe(0);
  expect(existsSync("/dev/null.idx")).toBe(false);
});

test("a run is named where it begins, once, and two runs may write one file", async () => {
  await using dir = makeTempDir();
  const file = openFile(dir);
  file.beginRun("r1");
  file.beginRun("r1");
  write(file, "one\n", "r1");
  write(file, "two\n", "r2");
  file.close();
  expect(readIndex(file.path).slice(1)).toMatchObject([
    { kind: "run-start", position: 0, runId: "r1" },
    { kind: "chunk", position: 0, runId: "r1" },
    { kind: "chunk", position: 4, runId: "r2" },
    { kind: "closed", position: 8 },
  ]);
});

test("a run that begins right after another has its bytes under its own name", async () => {
  await using dir = makeTempDir();
  const file = openFile(dir);
  vi.spyOn(performance, "now").mockReturnValue(performance.now());
  for (const runId of ["r1", "r2"]) {
    file.beginRun(runId);
    write(file, `${runId}\n`, runId);
  }
  const chunks = readIndex(file.path).filter(({ kind }) => kind === "chunk");
  expect(chunks).toMatchObject([
    { position: 0, runId: "r1" },
    { position: 3, runId: "r2" },
  ]);
});

test("a purge removes everything, and positions go on", async () => {
  await using dir = makeTempDir();
  const file = openFile(dir, { rotateBytes: 5, backups: 10 });
  for (const line of ["one\n", "two\n", "three\n"]) write(file, line);
  expect(file.purge(false)).toBe(14);
  write(file, "four\n");
  file.close();
  expect(wholeLog(file.path).toString()).toBe("four\n");
  expect(readIndex(file.path)[0]).toMatchObject({ kind: "header", position: 14 });
});

test("a purge of rotated files leaves the present one", async () => {
  await using dir = makeTempDir();
  const file = openFile(dir, { rotateBytes: 5, backups: 10 });
  for (const line of ["one\n", "two\n"]) write(file, line);
  expect(file.purge(true)).toBe(4);
  file.close();
  expect(wholeLog(file.path).toString()).toBe("two\n");
});

test("a rotation that is asked for waits for the end of the line", async () => {
  await using dir = makeTempDir();
  const file = openFile(dir);
  write(file, "half");
  const aside = file.rotateBetweenLines(60_000);
  write(file, " a line\nnext");
  expect(await aside).toBe(rotatedPath(file.path, 0));
  file.close();
  expect(logFiles(file.path).map((name) => readFileSync(name, "latin1"))).toEqual(["half a line\n", "next"]);
});

test("a line that does not end is cut by a rotation that is asked for", async () => {
  await using dir = makeTempDir();
  const file = openFile(dir);
  write(file, "prompt> ");
  expect(await file.rotateBetweenLines(1)).toBe(rotatedPath(file.path, 0));
  file.close();
});

test("by the clock a file is set aside before the first line of the next interval", async () => {
  await using dir = makeTempDir();
  vi.useFakeTimers({ toFake: ["Date"], now: Date.parse("2026-03-01T23:59:58Z") });
  const file = openFile(dir, { interval: "minutely" });
  write(file, "one\n");
  vi.setSystemTime(Date.parse("2026-03-01T23:59:59.999Z"));
  write(file, "two\n");
  vi.setSystemTime(Date.parse("2026-03-02T00:00:00Z"));
  write(file, "three\n");
  file.close();
  expect(logFiles(file.path).map((name) => readFileSync(name, "latin1"))).toEqual(["one\ntwo\n", "three\n"]);
});

test("by the clock too a line is not cut when it ends in time", async () => {
  await using dir = makeTempDir();
  vi.useFakeTimers({ toFake: ["Date"], now: Date.parse("2026-03-01T23:59:58Z") });
  const file = openFile(dir, { interval: "hourly" });
  write(file, "begun ");
  vi.setSystemTime(Date.parse("2026-03-02T00:00:00Z"));
  write(file, "and ");
  write(file, "ended\nnext\n");
  file.close();
  expect(logFiles(file.path).map((name) => readFileSync(name, "latin1"))).toEqual(["begun and ended\n", "next\n"]);
});

test("a silent file is set aside by the clock, once, and an empty one is not", async () => {
  await using dir = makeTempDir();
  vi.useFakeTimers({ toFake: ["Date"], now: Date.parse("2026-03-01T12:00:00") });
  const file = openFile(dir, { interval: "daily" });
  write(file, "one\n");
  file.upkeep();
  expect(logFiles(file.path)).toHaveLength(1);
  for (const day of [2, 3, 4]) {
    vi.setSystemTime(Date.parse(`2026-03-0${day}T00:00:00`));
    file.upkeep();
  }
  expect(logFiles(file.path)).toEqual([rotatedPath(file.path, 0), file.path]);
  file.close();
});

test("a file that is older than the last boundary is set aside by the pump that finds it", async () => {
  await using dir = makeTempDir();
  vi.useFakeTimers({ toFake: ["Date"], now: Date.parse("2026-03-01T12:00:00") });
  const before = openFile(dir, { interval: "daily" });
  write(before, "old\n");
  before.close();
  vi.setSystemTime(Date.parse("2026-03-01T23:00:00"));
  const same = openFile(dir, { interval: "daily" });
  write(same, "same day\n");
  same.close();
  vi.setSystemTime(Date.parse("2026-03-05T12:00:00"));
  const silent = openFile(dir, { interval: "daily" });
  silent.upkeep();
  silent.close();
  expect(logFiles(silent.path).map((name) => readFileSync(name, "latin1"))).toEqual(["old\nsame day\n", ""]);
});

test("what was set aside is removed when it is too old, also while nothing is written, and the present file never", async () => {
  await using dir = makeTempDir();
  const file = openFile(dir, { rotateBytes: 5, maxAgeMs: 86_400_000 });
  for (const line of ["one\n", "two\n", "three\n"]) write(file, line);
  const longAgo = new Date(Date.now() - 90_000_000);
  for (const name of [rotatedPath(file.path, 0), file.path]) utimesSync(name, longAgo, longAgo);
  file.upkeep();
  file.close();
  expect(readdirSync(dirname(file.path)).sort()).toEqual(["out.log", "out.log.idx", "out.log.000000000000004", "out.log.000000000000004.idx"].sort());
});

test("all files of a log together stay below its total, what was there before counts, and the oldest go first", async () => {
  await using dir = makeTempDir();
  const total = 20_000;
  const earlier = openFile(dir, { rotateBytes: 4000 });
  for (let i = 1; i <= 100; i++) write(earlier, `${"x".repeat(499)}\n`);
  earlier.close();
  const file = openFile(dir, { rotateBytes: 4000, totalBytes: total });
  for (let i = 1; i <= 500; i++) {
    write(file, `${String(i).padStart(99, "0")}\n`);
    if (i > 40) expect(sizeOf(dirname(file.path))).toBeLessThan(total + 2000);
  }
  file.close();
  const lines = wholeLog(file.path).toString().trimEnd().split("\n").map(Number);
  expect(lines.at(-1)).toBe(500);
  expect(lines).toEqual(lines.map((_, i) => 500 - lines.length + 1 + i));
  expect(lines.length).toBeGreaterThan(80);
});

test("an empty file, or none, is not rotated", async () => {
  await using dir = makeTempDir();
  const file = openFile(dir);
  expect(file.rotate()).toBeUndefined();
  expect(existsSync(dir.path) && existsSync(file.path)).toBe(false);
});

function sizeOf(directory: string): number {
  return readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
}

function lineAround(text: string, position: number): string {
  return text.slice(text.lastIndexOf("\n", position - 1) + 1).split("\n")[0] ?? "";
}
