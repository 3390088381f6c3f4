import { rmSync, truncateSync } from "node:fs";
import { expect, test } from "vitest";
import { follow, type LogBatch } from "../../src/logs/follow.ts";
import type { LogStreamRef } from "../../src/logs/log-stream.ts";
import { eventually } from "../support/eventually.ts";
import { endlessFlood, firstNumber, floodLineBytes } from "../support/flood.ts";
import { PumpRig } from "../support/pump-rig.ts";
import { FloodReport } from "../support/read-log.ts";

/** Every batch until the test has seen enough. */
async function followUntil(sources: readonly LogStreamRef[], seen: (batch: LogBatch) => boolean): Promise<void> {
  const enough = new AbortController();
  const timeout = AbortSignal.timeout(25_000);
  for await (const batch of follow({ sources: () => sources }, AbortSignal.any([enough.signal, timeout]))) if (seen(batch)) enough.abort();
  timeout.throwIfAborted();
}

test("a follower sees every line once, under a flood, over rotations and changes of the pump", async () => {
  await using rig = new PumpRig();
  await rig.startPump();
  const run = rig.startRun(endlessFlood, { rotateBytes: 300_000 });
  let last = Number.POSITIVE_INFINITY;
  const changing = (async () => {
    for (let pumps = 0; pumps < 3; pumps++) {
      const before = run.writtenBytes();
      await eventually(() => run.writtenBytes() > before + 500_000);
      await rig.endPump("SIGTERM");
      await rig.startPump();
    }
    run.kill();
    await run.ended();
    last = Math.floor(run.writtenBytes() / floodLineBytes);
  })();
  const report = new FloodReport(firstNumber);
  await followUntil(run.sources.slice(0, 1), (batch) => {
    report.add(batch);
    return report.lines >= last;
  });
  await changing;
  expect(report).toMatchObject({ lines: last, doubled: 0, missing: 0, gaps: 0 });
});

test("a follower learns that a file was cut or removed under the pump, and goes on", async () => {
  await using rig = new PumpRig();
  await rig.startPump();
  const run = rig.startRun("i=0; while :; do echo $i; i=$((i+1)); sleep 0.01; done");
  let cut: "no" | "truncated" | "removed" = "no";
  const numbers: number[] = [];
  let gapBytes = 0;
  let after = 0;
  await followUntil(run.sources.slice(0, 1), ({ entries, gaps }) => {
    gapBytes += gaps.reduce((sum, { bytes }) => sum + bytes, 0);
    if (process.env.DBG) console.log(cut, entries.map(({ bytes }) => bytes.toString()).join(" "));
    numbers.push(...entries.map(({ bytes }) => Number(bytes.toString())));
    after += entries.length;
    if (cut === "no" && numbers.length > 20) {
      truncateSync(run.out);
      cut = "truncated";
      after = 0;
    } else if (cut === "truncated" && after > 50) {
      rmSync(run.out);
      cut = "removed";
      after = 0;
    }
    return cut === "removed" && after > 50;
  });
  const inOrder = numbers.filter((number, i) => i === 0 || number > (numbers[i - 1] ?? 0));
  expect(inOrder).toEqual(numbers);
  const missing = Array.from({ length: numbers.at(-1) ?? 0 }, (_, i) => i).filter((number) => !numbers.includes(number));
  expect(missing.reduce((sum, number) => sum + `${number}\n`.length, 0)).toBe(gapBytes);
});
