import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { indexPath, packedPath, rotatedPath } from "../../../src/logs/log-file-names.ts";
import { LogFile } from "../../../src/pump/log-file.ts";
import { LogTotal } from "../../../src/pump/log-total.ts";
import { plainSettings } from "../../support/log-settings.ts";
import { makeTempDir, type TempDir } from "../../support/temp-dir.ts";

const fileBytes = 4000;

/** A log with so many files that were set aside, at these ages, and a present one. */
function writeLog(dir: TempDir, name: string, agesS: readonly number[], onSetAside?: () => void): LogFile {
  const file = new LogFile(join(dir.path, name, "out.log"), { ...plainSettings, rotateBytes: fileBytes }, onSetAside);
  for (let i = 0; i <= agesS.length; i++) writeFile(file);
  for (const [i, ageS] of agesS.entries()) age(rotatedPath(file.path, i * fileBytes), ageS);
  return file;
}

function writeFile(file: LogFile): void {
  file.append(Buffer.from(`${"x".repeat(fileBytes - 1)}\n`), "r1");
}

function age(path: string, ageS: number): void {
  const then = new Date(Date.now() - ageS * 1000);
  utimesSync(path, then, then);
}

/** Which of the files that were set aside are left, counted from 0. */
function left({ path }: { path: string }): number[] {
  return readdirSync(dirname(path)).flatMap((name) => {
    const [, position] = /^out\.log\.(\d{15})(?:\.zst)?$/.exec(name) ?? [];
    return position === undefined ? [] : [Number(position) / fileBytes];
  });
}

function bytesIn(directory: string): number {
  return readdirSync(directory, { recursive: true, withFileTypes: true }).reduce(
    (sum, entry) => sum + (entry.isFile() ? statSync(join(entry.parentPath, entry.name)).size : 0),
    0,
  );
}

test("the oldest that were set aside go, of whatever log, with their indexes, until all fit to the byte", async () => {
  await using dir = makeTempDir();
  const a = writeLog(dir, "a", [60, 40, 20]);
  const b = writeLog(dir, "b", [50, 30, 10]);
  const total = new LogTotal(() => [a, b]);
  const bytes = bytesIn(dir.path);
  total.limit({ bytes, logDir: dir.path });
  expect([left(a), left(b)]).toEqual([
    [0, 1, 2],
    [0, 1, 2],
  ]);
  const three = [rotatedPath(a.path, 0), rotatedPath(a.path, fileBytes), rotatedPath(b.path, 0)];
  const freed = three.reduce((sum, path) => sum + statSync(path).size + statSync(indexPath(path)).size, 0);
  total.limit({ bytes: bytes - freed, logDir: dir.path });
  expect([left(a), left(b)]).toEqual([[2], [1, 2]]);
  expect(bytesIn(dir.path)).toBe(bytes - freed);
  for (const path of three) expect(existsSync(indexPath(path))).toBe(false);
  total.limit({ bytes: bytes - freed - 1, logDir: dir.path });
  expect([left(a), left(b)]).toEqual([[2], [2]]);
});

test("packed files go like plain ones, and count as what they take", async () => {
  await using dir = makeTempDir();
  const log = writeLog(dir, "a", [30, 20, 10]);
  for (const base of [0, fileBytes]) {
    renameSync(rotatedPath(log.path, base), packedPath(log.path, base, "zst"));
    truncateSync(packedPath(log.path, base, "zst"), 100);
    age(packedPath(log.path, base, "zst"), base === 0 ? 30 : 20);
  }
  const total = new LogTotal(() => [log]);
  const bytes = bytesIn(dir.path);
  total.limit({ bytes, logDir: dir.path });
  expect(left(log)).toEqual([0, 1, 2]);
  total.limit({ bytes: bytes - 1, logDir: dir.path });
  expect(left(log)).toEqual([1, 2]);
});

test("the present files stay, and if they alone are too much", async () => {
  await using dir = makeTempDir();
  const logs = [writeLog(dir, "a", [20]), writeLog(dir, "b", [10])];
  const total = new LogTotal(() => logs);
  total.limit({ bytes: 1, logDir: dir.path });
  for (const log of logs) {
    expect(left(log)).toEqual([]);
    expect(statSync(log.path).size).toBe(fileBytes);
    expect(existsSync(indexPath(log.path))).toBe(true);
  }
});

test("while logs are written the total is kept with each file that is set aside, without a look at the disk", async () => {
  await using dir = makeTempDir();
  const logs: LogFile[] = [];
  const total = new LogTotal(() => logs);
  for (const name of ["a", "b", "c"]) logs.push(writeLog(dir, name, [], () => total.enforce()));
  const limit = 10 * fileBytes;
  total.limit({ bytes: limit, logDir: dir.path });
  for (let i = 0; i < 60; i++) {
    for (const log of logs.slice(0, 1 + (i % 3))) writeFile(log);
    // The present files may have grown since the last one was set aside.
    expect(bytesIn(dir.path)).toBeLessThanOrEqual(limit + logs.length * (fileBytes + 1000));
  }
  total.upkeep();
  expect(bytesIn(dir.path)).toBeLessThanOrEqual(limit);
  expect(left(logs[0] ?? { path: "" }).length).toBeGreaterThan(0);
});

test("what nobody writes counts where services write unless they say otherwise, also of a namespace, and what no pump has made does not", async () => {
  await using dir = makeTempDir();
  const written = writeLog(dir, "web", [10, 5]);
  const gone = writeLog(dir, "gone", [30, 5]);
  const prod = writeLog(dir, "@prod/web", [20, 5]);
  for (const log of [gone, prod]) log.close();
  const own = join(dir.path, "web", "app.log.000000000000000");
  writeFileSync(own, "x".repeat(fileBytes));
  age(own, 1000);
  const total = new LogTotal(() => [written]);
  // Three files, and one of them for the own file of the service, which does not count.
  total.limit({ bytes: bytesIn(dir.path) - 3 * fileBytes, logDir: dir.path });
  expect([left(written), left(gone), left(prod)]).toEqual([[0, 1], [1], [1]]);
  expect(existsSync(own)).toBe(true);
  for (const log of [gone, prod]) expect(existsSync(log.path)).toBe(true);
});

test("a log elsewhere goes on to count when it is written no longer, and counts once when it is written again", async () => {
  await using dir = makeTempDir();
  await using elsewhere = makeTempDir();
  const written: LogFile[] = [];
  const total = new LogTotal(() => written);
  const log = writeLog(elsewhere, "web", [40, 30, 20, 10]);
  const bytes = bytesIn(elsewhere.path);
  written.push(log);
  total.limit({ bytes: bytes + 200, logDir: dir.path });
  written.pop();
  log.close();
  total.closed(log);
  const again = new LogFile(log.path, log.settings);
  total.opened(log.path);
  written.push(again);
  again.upkeep();
  total.enforce();
  expect(left(log)).toEqual([0, 1, 2, 3]);
  written.pop();
  again.close();
  total.closed(again);
  written.push(writeLog(dir, "api", []));
  total.enforce();
  expect(left(log)).toEqual([1, 2, 3]);
});

test("what cannot be removed keeps no other from going", async () => {
  await using dir = makeTempDir();
  const stuck = writeLog(dir, "stuck", [20]);
  const other = writeLog(dir, "other", [10]);
  // Nothing that removes a file removes a directory.
  const directory = rotatedPath(stuck.path, 0);
  rmSync(directory);
  mkdirSync(directory);
  age(directory, 20);
  const total = new LogTotal(() => [stuck, other]);
  total.limit({ bytes: bytesIn(dir.path) + statSync(directory).size - 1, logDir: dir.path });
  expect(left(other)).toEqual([0]);
  total.upkeep();
  expect(left(other)).toEqual([]);
  expect(left(stuck)).toEqual([0]);
});

test("what a person has removed counts no longer, once it was looked for", async () => {
  await using dir = makeTempDir();
  const kept = writeLog(dir, "kept", [40, 30]);
  const removed = writeLog(dir, "removed", [20, 10]);
  kept.close();
  removed.close();
  const total = new LogTotal(() => []);
  const limit = { bytes: bytesIn(dir.path), logDir: dir.path };
  total.limit(limit);
  const bytes = bytesIn(dirname(removed.path));
  rmSync(dirname(removed.path), { recursive: true });
  total.limit({ ...limit, bytes: limit.bytes - bytes });
  expect(left(kept)).toEqual([0, 1]);
});

test("without a limit everything stays, and a limit that is taken back is none", async () => {
  await using dir = makeTempDir();
  const log = writeLog(dir, "a", [20, 10]);
  const total = new LogTotal(() => [log]);
  expect(total.limitBytes).toBe(0);
  total.upkeep();
  total.enforce();
  total.limit({ bytes: bytesIn(dir.path) - 1, logDir: dir.path });
  expect(total.limitBytes).toBeGreaterThan(0);
  total.limit({ bytes: 0, logDir: dir.path });
  for (let i = 0; i < 3; i++) writeFile(log);
  total.upkeep();
  expect(left(log)).toEqual([1, 2, 3, 4]);
});
