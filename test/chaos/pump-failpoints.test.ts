import { once } from "node:events";
import { expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { firstNumber, flood, floodLineBytes } from "../support/flood.ts";
import { PumpRig } from "../support/pump-rig.ts";
import { FloodReport, readLog } from "../support/read-log.ts";

const lines = 50_000;
const chunkLines = (64 * 1024) / floodLineBytes;

/** How many lines may go with the pump, and whether the log must speak of it. */
const points: [point: string, mostLost: number][] = [
  ["pump.chunk-in-hand", chunkLines],
  ["pump.drained", 0],
  ["pump.acknowledged", 0],
  ["pump.end-told", 0],
  ["rotate.index-renamed", chunkLines],
  ["rotate.file-renamed", chunkLines],
  ["rotate.marked", chunkLines],
];

it.each(points)("a pump killed at %s costs at most what it had in hand, and the run ends as if nothing had been", async (point, mostLost) => {
  await using rig = new PumpRig();
  const doomed = rig.spawnPump({ PMD_FAILPOINT: `${point}:kill` });
  const died = once(doomed, "exit");
  const run = rig.startRun(`${flood(lines).replace("exec ", "")}; exit 3`, { rotateBytes: 100_000 });
  expect(await died).toEqual([null, "SIGKILL"]);
  await rig.startPump();
  await run.ended();
  expect(run.exitStatus).toBe("3");
  await eventually(() => !run.shimIsAlive());
  const report = new FloodReport(firstNumber);
  for await (const page of readLog(run.sources.slice(0, 1))) report.add(page);
  const missing = lines - report.lines;
  expect(missing).toBeLessThanOrEqual(mostLost + report.torn);
  expect(report.doubled).toBe(0);
  if (missing > 0) expect(report.gaps).toBeGreaterThan(0);
});
