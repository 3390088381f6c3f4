import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { signalPump } from "../../src/host/signal-pump.ts";
import { startPump } from "../../src/host/start-pump.ts";
import { pumpStatus } from "../../src/logs/pump-client.ts";
import { PumpKeeper } from "../../src/logs/pump-keeper.ts";
import type { PumpStatus } from "../../src/logs/pump-protocol.ts";
import { eventually } from "../support/eventually.ts";
import { logFiles, readIndex, wholeLog } from "../support/log-content.ts";
import { PumpRig } from "../support/pump-rig.ts";

/** A keeper as pmd has it, and what it was told. */
function keep(rig: PumpRig) {
  const found: PumpStatus[] = [];
  const stalls: number[] = [];
  const keeper = new PumpKeeper({
    runtimeDir: rig.runtimeDir,
    start: () => startPump(rig.runtimeDir, "test", () => undefined),
    onStarted: (status) => found.push(status),
    onStalled: () => stalls.push(performance.now()),
    signal: signalPump,
  });
  keeper.open();
  return { found, stalls, keeper, [Symbol.dispose]: () => keeper.close() };
}

test("where there is no pump, one is started", async () => {
  await using rig = new PumpRig();
  using kept = keep(rig);
  const run = rig.startRun("echo hello");
  await run.ended();
  expect(wholeLog(run.out).toString()).toBe("hello\n");
  await eventually(() => kept.found.length === 1);
  expect(kept.keeper.held).toBe(true);
});

test("a pump that is there is taken over, and no second is started", async () => {
  await using rig = new PumpRig();
  const pump = await rig.startPump();
  using kept = keep(rig);
  await eventually(() => kept.found.length === 1);
  expect(kept.found[0]?.pid).toBe(pump.pid);
});

test("when the pump dies another is started at once, and what was written meanwhile is not lost", async () => {
  await using rig = new PumpRig();
  using kept = keep(rig);
  const stop = join(rig.root, "stop");
  const run = rig.startRun(`i=0; until [ -e ${stop} ]; do i=$((i+1)); echo $i; sleep 0.005; done`);
  for (let deaths = 1; deaths <= 3; deaths++) {
    const pump = await eventually(() => kept.found[deaths - 1]);
    const before = run.writtenBytes();
    await eventually(() => run.writtenBytes() > before);
    process.kill(pump.pid, "SIGTERM");
  }
  await eventually(() => kept.found.length === 4);
  writeFileSync(stop, "");
  await run.ended();
  const numbers = wholeLog(run.out).toString().trimEnd().split("\n").map(Number);
  expect(numbers).toEqual(numbers.map((_, i) => i + 1));
  expect(new Set(kept.found.map(({ pid }) => pid)).size).toBe(4);
});

test("the pump stays when its keeper leaves", async () => {
  await using rig = new PumpRig();
  const kept = keep(rig);
  await eventually(() => kept.found.length === 1);
  kept.keeper.close();
  expect(await pumpStatus(rig.runtimeDir)).toMatchObject({ pid: kept.found[0]?.pid });
});

test("a pump that is stopped by a signal is not taken for dead, and not for alive", async () => {
  await using rig = new PumpRig();
  const pump = await rig.startPump();
  pump.kill("SIGSTOP");
  await expect(pumpStatus(rig.runtimeDir, AbortSignal.timeout(200))).rejects.toMatchObject({ reason: "PUMP_UNAVAILABLE" });
  pump.kill("SIGCONT");
  expect(await pumpStatus(rig.runtimeDir)).toMatchObject({ pid: pump.pid });
});

test("a pump that is stopped by a signal is replaced, and nothing that was written meanwhile is lost", async () => {
  await using rig = new PumpRig();
  using kept = keep(rig);
  const stop = join(rig.root, "stop");
  const run = rig.startRun(`i=0; until [ -e ${stop} ]; do i=$((i+1)); echo $i; sleep 0.005; done`);
  const pump = await eventually(() => kept.found[0]);
  await eventually(() => run.writtenBytes() > 100);
  process.kill(pump.pid, "SIGSTOP");
  await eventually(() => kept.stalls.length === 1);
  await eventually(() => kept.found.length === 2);
  expect(kept.found[1]?.pid).not.toBe(pump.pid);
  expect(kept.keeper.stalled).toBe(false);
  writeFileSync(stop, "");
  await run.ended();
  const numbers = wholeLog(run.out).toString().trimEnd().split("\n").map(Number);
  expect(numbers).toEqual(numbers.map((_, i) => i + 1));
  expect(
    logFiles(run.out)
      .flatMap(readIndex)
      .filter(({ kind }) => kind === "gap"),
  ).toEqual([]);
});

test("a pump whose loop hangs, and that goes for no asking, is killed and replaced", async () => {
  await using rig = new PumpRig();
  const hung = spawn(process.execPath, [resolve("test/fixtures/hung-pump.ts"), rig.runtimeDir], { stdio: "ignore" });
  await eventually(async () => (await pumpStatus(rig.runtimeDir))?.pid === hung.pid);
  using kept = keep(rig);
  await eventually(() => hung.signalCode === "SIGKILL");
  await eventually(() => kept.found.length === 2);
  expect(kept.stalls.length).toBe(1);
});

test("a pump that was stopped before pmd came is replaced too", async () => {
  await using rig = new PumpRig();
  const pump = await rig.startPump();
  pump.kill("SIGSTOP");
  using kept = keep(rig);
  // Woken to be told to leave, it may answer once before it does.
  await eventually(() => kept.found.some(({ pid }) => pid !== pump.pid));
});
