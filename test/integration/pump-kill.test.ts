import { expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { endlessFlood, firstNumber, floodLineBytes, floodOutput } from "../support/flood.ts";
import { logFiles, readIndex, wholeLog } from "../support/log-content.ts";
import { PumpRig, type TestRun } from "../support/pump-rig.ts";
import { FloodReport, readLog } from "../support/read-log.ts";

const rounds = 8;
/** What the pump may have in its hands: all that a FIFO holds. */
const chunkBytes = 64 * 1024;

/** A run that writes as fast as it can, while the pump is ended and another started, again and again. */
async function floodThrough(rig: PumpRig, signal: NodeJS.Signals): Promise<TestRun> {
  await rig.startPump();
  const run = rig.startRun(endlessFlood, { rotateBytes: 1_000_000 });
  for (let round = 1; round <= rounds; round++) {
    const before = run.writtenBytes();
    await eventually(() => run.writtenBytes() > before + 1_500_000);
    await rig.endPump(signal);
    await rig.startPump();
  }
  run.kill();
  await run.ended();
  return run;
}

test("a pump that is told to leave under full load loses nothing and doubles nothing", async () => {
  await using rig = new PumpRig();
  const run = await floodThrough(rig, "SIGTERM");
  const log = wholeLog(run.out);
  expect(log.equals(floodOutput(Math.ceil(log.length / floodLineBytes)).subarray(0, log.length))).toBe(true);
  expect(
    logFiles(run.out)
      .flatMap(readIndex)
      .filter(({ kind }) => kind === "gap"),
  ).toEqual([]);
});

test("a pump that is killed under full load loses at most the chunk in its hands, a gap says so, and no other line is torn or doubled", async () => {
  await using rig = new PumpRig();
  const run = await floodThrough(rig, "SIGKILL");
  const report = new FloodReport(firstNumber);
  for await (const page of readLog(run.sources.slice(0, 1))) report.add(page);
  expect(report.lines).toBeGreaterThan(100_000);
  expect(report.doubled).toBe(0);
  expect(report.gaps).toBe(rounds);
  // On either side of a gap, and at the end.
  expect(report.torn).toBeLessThanOrEqual(2 * rounds + 1);
  expect(report.missing).toBeLessThanOrEqual((rounds * chunkBytes) / floodLineBytes);
});

test("a service is not ended and not told when the pump is killed", async () => {
  await using rig = new PumpRig();
  await rig.startPump();
  const run = rig.startRun("while :; do echo line || exit 9; done", { rotateBytes: 1 << 20, backups: 1 });
  await eventually(() => run.writtenBytes() > 10_000);
  await rig.endPump("SIGKILL");
  await rig.startPump();
  const before = run.writtenBytes();
  await eventually(() => run.writtenBytes() > before + 10_000);
  expect(run.has("exit")).toBe(false);
});
