import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { pumpStatus, requestCounters } from "../../src/logs/pump-client.ts";
import { readPage } from "../../src/logs/read-page.ts";
import { eventually } from "../support/eventually.ts";
import { endlessFlood, firstNumber, flood, floodLineBytes, floodOutput } from "../support/flood.ts";
import { readIndex, wholeLog } from "../support/log-content.ts";
import { PumpRig } from "../support/pump-rig.ts";
import { canMount, mountSmallDisk } from "../support/small-disk.ts";

const gapBytes = (page: { gaps: readonly { bytes: number }[] }) => page.gaps.reduce((sum, { bytes }) => sum + bytes, 0);

test.skipIf(!canMount)("a full disk stops no service; what it did not take is counted to the byte, and told when there is room again", async () => {
  await using rig = new PumpRig();
  using disk = mountSmallDisk(rig.logDir);
  await rig.startPump();
  const lines = 500_000;
  const go = join(rig.root, "go");
  const first = rig.startRun(`seq ${firstNumber} ${firstNumber + lines - 1}; until [ -e ${go} ]; do sleep 0.01; done; exit 4`);
  await eventually(async () => (await pumpStatus(rig.runtimeDir))?.bytes === lines * floodLineBytes);
  const dropped = (await pumpStatus(rig.runtimeDir))?.dropped ?? 0;
  expect(dropped).toBeGreaterThan(3_000_000);
  // Making room as people do it is another story: this removes only what is not the pump's.
  disk.fill();
  writeFileSync(go, "");
  await first.ended();
  expect(first.exitStatus).toBe("4");
  expect(first.writtenBytes() + dropped).toBe(lines * floodLineBytes);
});

test.skipIf(!canMount)("writing goes on by itself when there is room, after a gap with its size", async () => {
  await using rig = new PumpRig();
  using disk = mountSmallDisk(rig.logDir);
  await rig.startPump();
  const go = join(rig.root, "go");
  const run = rig.startRun(
    `seq 1000; until [ -e ${go}.1 ]; do sleep 0.01; done; seq 1000; i=0; until [ -e ${go}.2 ]; do echo $i; i=$((i+1)); sleep 0.01; done`,
  );
  await eventually(() => run.writtenBytes() === 3893);
  disk.fill();
  // The last page of the file has some room left: that is taken too.
  writeFileSync(`${go}.1`, "");
  await eventually(async () => ((await pumpStatus(rig.runtimeDir))?.dropped ?? 0) > 3000);
  disk.empty();
  await eventually(() => run.writtenBytes() > 4200);
  writeFileSync(`${go}.2`, "");
  await run.ended();
  const status = await pumpStatus(rig.runtimeDir);
  const page = await readPage({ sources: run.sources, maxEntries: 10_000 });
  expect(gapBytes(page)).toBe(status?.dropped);
  expect(run.writtenBytes() + gapBytes(page)).toBe(status?.bytes);
  expect(page.gaps.every(({ reason }) => reason === "dropped")).toBe(true);
  // Behind the gap everything is whole lines, one after the other.
  const last = page.entries.map(({ bytes }) => Number(bytes.toString()));
  expect(last.slice(-10)).toEqual(Array.from({ length: 10 }, (_, i) => (last.at(-1) ?? 0) - 9 + i));
});

test.skipIf(!canMount)("a run that ends on a full disk has its gap told when there is room, and the next run is written", async () => {
  await using rig = new PumpRig();
  using disk = mountSmallDisk(rig.logDir);
  await rig.startPump();
  disk.fill();
  const first = rig.startRun("echo lost; exit 4");
  await first.ended();
  expect(first.exitStatus).toBe("4");
  disk.empty();
  const second = rig.startRun("echo kept");
  await second.ended();
  const page = await eventually(async () => {
    const page = await readPage({ sources: second.sources, maxEntries: 10 });
    return page.entries.length > 0 && page;
  });
  expect(page.entries.map(({ bytes }) => bytes.toString())).toEqual(["kept"]);
  expect(gapBytes(page)).toBe(5);
});

test.skipIf(!canMount)("a log that is told to block keeps its service waiting on a full disk, and loses nothing", async () => {
  await using rig = new PumpRig();
  using disk = mountSmallDisk(rig.logDir);
  await rig.startPump();
  const lines = 500_000;
  const run = rig.startRun(flood(lines), { onFull: "block", name: "patient" });
  await eventually(async () => ((await pumpStatus(rig.runtimeDir))?.blockedMs ?? 0) > 0);
  expect(run.has("exit")).toBe(false);
  disk.grow();
  await run.ended();
  expect(run.exitStatus).toBe("0");
  expect(wholeLog(run.out).equals(floodOutput(lines))).toBe(true);
  expect(await pumpStatus(rig.runtimeDir)).toMatchObject({ dropped: 0 });
  const counters = await requestCounters(rig.runtimeDir, [run.out, run.err, "/no/such.log"]);
  expect(counters[run.out]).toMatchObject({ writtenBytes: lines * floodLineBytes, droppedBytes: 0 });
  expect(counters[run.out]?.blockedMs).toBeGreaterThan(0);
  expect(counters["/no/such.log"]).toEqual({ writtenBytes: 0, droppedBytes: 0, blockedMs: 0 });
});

test.skipIf(!canMount)(
  "a service that waits for a full disk can be killed; its last words wait with the shim, through a change of pumps",
  async () => {
    await using rig = new PumpRig();
    using disk = mountSmallDisk(rig.logDir);
    await rig.startPump();
    const run = rig.startRun(endlessFlood, { onFull: "block" });
    await eventually(async () => ((await pumpStatus(rig.runtimeDir))?.blockedMs ?? 0) > 0);
    run.kill();
    await eventually(() => run.exitStatus === "137");
    await rig.endPump("SIGTERM");
    expect(run.has("out.held")).toBe(true);
    await rig.startPump();
    expect(run.shimIsAlive()).toBe(true);
    disk.grow();
    await run.ended();
    await eventually(() => !run.shimIsAlive());
    const log = wholeLog(run.out);
    expect(log.length).toBeGreaterThan(1_000_000);
    expect(log.equals(floodOutput(Math.ceil(log.length / floodLineBytes)).subarray(0, log.length))).toBe(true);
    expect(readIndex(run.out).filter(({ kind }) => kind === "gap")).toEqual([]);
  },
);

test.skipIf(!canMount)(
  "on a disk that has become read-only the services go on, and the log does when it is writable again, after a gap",
  async () => {
    await using rig = new PumpRig();
    using disk = mountSmallDisk(rig.logDir);
    const pump = await rig.startPump();
    const go = join(rig.root, "go");
    const run = rig.startRun(
      `echo before; until [ -e ${go} ]; do sleep 0.01; done; i=0; until [ -e ${go}.2 ]; do echo $i; i=$((i+1)); sleep 0.01; done`,
    );
    await eventually(() => run.writtenBytes() === 7);
    // The kernel makes no disk read-only under an open file: so this pump leaves, and the next finds it so.
    await rig.endPump("SIGTERM");
    disk.setReadOnly();
    await rig.startPump();
    expect(pump.exitCode).toBe(0);
    writeFileSync(go, "");
    await eventually(async () => ((await pumpStatus(rig.runtimeDir))?.dropped ?? 0) > 100);
    disk.setWritable();
    await eventually(() => run.writtenBytes() > 100);
    writeFileSync(`${go}.2`, "");
    await run.ended();
    const page = await readPage({ sources: run.sources, maxEntries: 10_000 });
    expect(page.entries[0]?.bytes.toString()).toBe("before");
    expect(gapBytes(page)).toBe((await pumpStatus(rig.runtimeDir))?.dropped);
  },
);

test("a log directory that is removed is made again", async () => {
  await using rig = new PumpRig();
  await rig.startPump();
  const go = join(rig.root, "go");
  const run = rig.startRun(`echo before; until [ -e ${go} ]; do sleep 0.01; done; while :; do echo after; sleep 0.01; done`);
  await eventually(() => run.writtenBytes() === 7);
  rmSync(rig.logDir, { recursive: true });
  writeFileSync(go, "");
  await eventually(() => run.writtenBytes() > 0);
});

test("one log that cannot be written does not keep the pump from the others", async () => {
  await using rig = new PumpRig();
  writeFileSync(join(rig.logDir, "blocked"), "a file where a directory should be");
  await rig.startPump();
  const blocked = rig.startRun("echo lost; exit 0", { name: "blocked" });
  await blocked.ended();
  const other = rig.startRun("echo kept", { name: "other" });
  await other.ended();
  expect(other.writtenBytes()).toBe(5);
  expect(await pumpStatus(rig.runtimeDir)).toMatchObject({ dropped: 5 });
});
