import { readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { rotatedNames } from "../../src/logs/log-file-names.ts";
import { pumpStatus, requestTotalLimit } from "../../src/logs/pump-client.ts";
import { PumpLimit } from "../../src/logs/pump-limit.ts";
import type { PumpStatus } from "../../src/logs/pump-protocol.ts";
import { readPage } from "../../src/logs/read-page.ts";
import { eventually } from "../support/eventually.ts";
import { flood, floodLineBytes } from "../support/flood.ts";
import { PumpRig, type TestRun } from "../support/pump-rig.ts";

const rotateBytes = 100_000;

function setAside({ out }: TestRun): readonly number[] {
  return rotatedNames(out, readdirSync(dirname(out))).files;
}

/** A file may go while it is asked for. */
function bytesIn(directory: string): number {
  return readdirSync(directory, { recursive: true, encoding: "utf8" }).reduce((sum, name) => {
    const stat = statSync(join(directory, name), { throwIfNoEntry: false });
    return sum + (stat?.isFile() ? stat.size : 0);
  }, 0);
}

test("a limit lets the oldest files of all logs go, the present ones stay, and a reader gets a gap of what is gone", async () => {
  await using rig = new PumpRig();
  await rig.startPump();
  const go = join(rig.root, "go");
  const old = rig.startRun(flood(50_000), { name: "old", rotateBytes });
  await old.ended();
  const young = rig.startRun(`${flood(50_000).replace("exec ", "")}; until [ -e ${go} ]; do sleep 0.01; done; ${flood(100_000)}`, {
    name: "young",
    rotateBytes,
  });
  await eventually(() => young.writtenBytes() === 50_000 * floodLineBytes);
  const [source] = old.sources;
  if (!source) throw new Error("a run has sources");
  const first = await readPage({ sources: [source], maxEntries: 10 });
  const limit = bytesIn(rig.logDir) - 2.5 * rotateBytes;
  expect([setAside(old).length, setAside(young).length]).toEqual([4, 4]);

  await requestTotalLimit(rig.runtimeDir, { bytes: limit, logDir: rig.logDir });
  expect(bytesIn(rig.logDir)).toBeLessThanOrEqual(limit);
  expect(bytesIn(rig.logDir)).toBeGreaterThan(limit - 2 * rotateBytes);
  expect(setAside(old)).toEqual([3 * rotateBytes]);
  expect(setAside(young)).toHaveLength(4);
  const page = await readPage({ sources: [source], cursor: first.cursor, maxEntries: 10 });
  expect(page.gaps).toMatchObject([{ reason: "rotated_away", bytes: 3 * rotateBytes - 10 * floodLineBytes }]);
  expect(page.entries[0]?.bytes.toString()).toBe(String(100_000_000 + (3 * rotateBytes) / floodLineBytes));

  writeFileSync(go, "");
  await young.ended();
  await eventually(() => bytesIn(rig.logDir) <= limit);
  expect(setAside(old)).toEqual([]);
  expect(statSync(old.out).size).toBe(rotateBytes);
  expect(setAside(young).at(-1)).toBe(13 * rotateBytes);
  expect(statSync(young.out).size).toBe(rotateBytes);
});

test("a pump says which limit it has, and one that was never told has none", async () => {
  await using rig = new PumpRig();
  await rig.startPump();
  expect(await pumpStatus(rig.runtimeDir)).toMatchObject({ logTotalBytes: 0 });
  await requestTotalLimit(rig.runtimeDir, { bytes: 10_000, logDir: rig.logDir });
  expect(await pumpStatus(rig.runtimeDir)).toMatchObject({ logTotalBytes: 10_000 });
  await expect(requestTotalLimit(rig.runtimeDir, { bytes: 10_000, logDir: "logs" })).rejects.toThrow("logs");
});

test("each pump is told the limit once, a limit of another pmd is replaced, and a pump that knows none is left alone", async () => {
  await using rig = new PumpRig();
  await rig.startPump();
  const unknown: number[] = [];
  const errors: unknown[] = [];
  const limitOf = (bytes: number) =>
    new PumpLimit({
      runtimeDir: rig.runtimeDir,
      limit: { bytes, logDir: rig.logDir },
      onUnknown: () => unknown.push(bytes),
      onError: (error) => errors.push(error),
    });
  const status = async (): Promise<PumpStatus> => {
    const status = await pumpStatus(rig.runtimeDir);
    if (!status) throw new Error("there is no pump");
    return status;
  };
  limitOf(20_000).see(await status());
  await eventually(async () => (await status()).logTotalBytes === 20_000);
  limitOf(0).see(await status());
  await eventually(async () => (await status()).logTotalBytes === 0);
  const { logTotalBytes, ...older } = await status();
  const limit = limitOf(30_000);
  limit.see(older);
  limit.see(older);
  limitOf(0).see(older);
  expect(unknown).toEqual([30_000]);
  expect((await status()).logTotalBytes).toBe(0);
  expect(errors).toEqual([]);
});
