import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { expect, test } from "vitest";
import { indexPath, packedPath, rotatedPath } from "../../../src/logs/log-file-names.ts";
import { LogFile, type LogSettings } from "../../../src/pump/log-file.ts";
import { Packer } from "../../../src/pump/packer.ts";
import { logFiles, readIndex, wholeLog } from "../../support/log-content.ts";
import { plainSettings } from "../../support/log-settings.ts";
import { makeTempDir, type TempDir } from "../../support/temp-dir.ts";

const lines = ["one\n", "two\n", "three\n", "four\n", "five\n"];
const pathIn = (dir: TempDir) => join(dir.path, "web/out.log");

function openFile(dir: TempDir, settings: Partial<LogSettings> = {}): LogFile {
  return new LogFile(pathIn(dir), { ...plainSettings, rotateBytes: 3, compress: "zstd", ...settings });
}

/** Each line in a file of its own. */
function writeLines(file: LogFile): void {
  for (const line of lines) file.append(Buffer.from(line), "r1");
}

async function packAll(file: LogFile, packer = new Packer()): Promise<void> {
  file.upkeep();
  for (let order = file.nextToPack(); order; order = file.nextToPack()) if (await packer.pack(order)) file.packed();
}

const namesIn = (dir: TempDir) => readdirSync(dirname(pathIn(dir))).filter((name) => !name.endsWith(".idx"));

test.for(["zstd", "gzip"] as const)("what was set aside is packed by %s from the second on, with its index and its age kept", async (compress) => {
  await using dir = makeTempDir();
  const file = openFile(dir, { compress });
  writeLines(file);
  const [oldest = "", ...others] = logFiles(file.path);
  const index = readFileSync(indexPath(oldest));
  utimesSync(oldest, 1000, 1000);
  await packAll(file);
  file.close();
  const packing = compress === "zstd" ? "zst" : "gz";
  expect(namesIn(dir)).toEqual([
    "out.log",
    ...[0, 4, 8].map((base) => `out.log.${String(base).padStart(15, "0")}.${packing}`),
    "out.log.000000000000014",
  ]);
  expect(others.at(-1)).toBe(file.path);
  expect(wholeLog(file.path).toString()).toBe(lines.join(""));
  expect(readFileSync(indexPath(oldest)).equals(index)).toBe(true);
  expect(readIndex(oldest).at(-1)).toMatchObject({ kind: "rotated", position: 4 });
  expect(statSync(packedPath(file.path, 0, packing))).toMatchObject({ mtimeMs: 1_000_000 });
  expect(statSync(packedPath(file.path, 0, packing)).mode & 0o777).toBe(0o640);
});

test("nothing is packed where that was not asked for", async () => {
  await using dir = makeTempDir();
  const file = openFile(dir, { compress: "none" });
  writeLines(file);
  await packAll(file);
  file.close();
  expect(namesIn(dir)).toHaveLength(lines.length);
  expect(wholeLog(file.path).toString()).toBe(lines.join(""));
});

const first = (path: string) => rotatedPath(path, 0);

/** As a kill would leave the oldest file, after each step of packing it. */
const kills: Record<string, (path: string) => void> = {
  "while it was being packed": (path) => writeFileSync(`${packedPath(path, 0, "zst")}.new`, "half of it"),
  "before the new name": (path) => writeFileSync(`${packedPath(path, 0, "zst")}.new`, zstdCompressSync(readFileSync(first(path)))),
  "before the plain one was removed": (path) => writeFileSync(packedPath(path, 0, "zst"), zstdCompressSync(readFileSync(first(path)))),
  "with the host, so that only the name is there": (path) => writeFileSync(packedPath(path, 0, "zst"), ""),
  "under other settings": (path) => writeFileSync(packedPath(path, 0, "gz"), gzipSync(readFileSync(first(path)))),
  "under other settings, while it was being packed": (path) => writeFileSync(`${packedPath(path, 0, "gz")}.new`, "half of it"),
  "after the end": (path) => {
    writeFileSync(packedPath(path, 0, "zst"), zstdCompressSync(readFileSync(first(path))));
    rmSync(first(path));
  },
};

test.for(Object.keys(kills))("a pump that was killed %s leaves nothing that the next does not put right", async (when) => {
  await using dir = makeTempDir();
  const before = openFile(dir, { compress: "none" });
  writeLines(before);
  before.close();
  kills[when]?.(before.path);
  const after = openFile(dir);
  await packAll(after);
  after.close();
  expect(namesIn(dir)).toEqual([
    "out.log",
    "out.log.000000000000000.zst",
    "out.log.000000000000004.zst",
    "out.log.000000000000008.zst",
    "out.log.000000000000014",
  ]);
  expect(wholeLog(after.path).toString()).toBe(lines.join(""));
});

test("a stream goes on where a packed file ends, when that is all that is left", async () => {
  await using dir = makeTempDir();
  const before = openFile(dir);
  writeLines(before);
  await packAll(before);
  before.close();
  for (const name of ["out.log", "out.log.idx", "out.log.000000000000014", "out.log.000000000000014.idx"]) rmSync(join(dirname(before.path), name));
  const after = openFile(dir);
  after.append(Buffer.from("six\n"), "r1");
  after.close();
  expect(readIndex(after.path)[0]).toMatchObject({ kind: "header", position: 14 });
  const epochs = [after.path, first(after.path)].map((path) => readIndex(path)[0] as { epoch: number });
  expect(epochs[0]?.epoch).toBe(epochs[1]?.epoch);
});

test.for(["a purge", "a person's note", "a copy"])("%s in the middle of packing leaves what it made, and nothing half packed", async (what) => {
  await using dir = makeTempDir();
  const file = openFile(dir);
  writeLines(file);
  file.upkeep();
  const order = file.nextToPack();
  if (!order) throw new Error("nothing to pack");
  const plain = rotatedPath(file.path, order.base);
  const packed = new Packer().pack(order);
  expect(existsSync(`${packedPath(file.path, order.base, "zst")}.new`)).toBe(true);
  if (what === "a purge") file.purge(true);
  else if (what === "a person's note") writeFileSync(plain, "a note\n", { flag: "a" });
  else {
    rmSync(plain);
    writeFileSync(plain, "another file");
  }
  expect(await packed).toBe(false);
  file.close();
  expect(existsSync(plain)).toBe(what !== "a purge");
  expect(namesIn(dir).filter((name) => /zst|gz/.test(name))).toEqual([]);
});

test("packed files count and go like others, with their indexes", async () => {
  await using dir = makeTempDir();
  const file = openFile(dir);
  writeLines(file);
  await packAll(file);
  file.close();
  const smaller = openFile(dir, { backups: 2 });
  smaller.upkeep();
  smaller.close();
  expect(readdirSync(dirname(file.path)).filter((name) => /\d{15}/.test(name))).toEqual([
    "out.log.000000000000008.idx",
    "out.log.000000000000008.zst",
    "out.log.000000000000014",
    "out.log.000000000000014.idx",
  ]);
});

test("a packer that is told to leave leaves at once, and the file as it was", async () => {
  await using dir = makeTempDir();
  mkdirSync(dirname(pathIn(dir)));
  writeFileSync(rotatedPath(pathIn(dir), 0), Buffer.alloc(8_000_000, "a line\n"));
  const packer = new Packer();
  const packed = packer.pack({ path: pathIn(dir), base: 0, packing: "gz" });
  packer.close();
  expect(await packed).toBe(false);
  expect(statSync(rotatedPath(pathIn(dir), 0)).size).toBe(8_000_000);
});
