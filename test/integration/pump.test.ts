import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { rotatedPath } from "../../src/logs/log-file-names.ts";
import { pumpStatus, requestExit, requestPurge, requestRotation, socketPath } from "../../src/logs/pump-client.ts";
import { eventually } from "../support/eventually.ts";
import { flood, floodOutput } from "../support/flood.ts";
import { logFiles, readIndex, wholeLog } from "../support/log-content.ts";
import { plainSettings } from "../support/log-settings.ts";
import { PumpRig } from "../support/pump-rig.ts";

test("what a run writes is in its files byte for byte, with times and the run's name", async () => {
  await using rig = new PumpRig();
  await rig.startPump();
  const run = rig.startRun("printf 'a\\000\\377\\303(\\r\\033[1m\\nno newline'; echo oops >&2; exit 3");
  await run.ended();
  expect(wholeLog(run.out)).toEqual(Buffer.from("a\0\xff\xc3(\r\x1b[1m\nno newline", "latin1"));
  expect(wholeLog(run.err).toString()).toBe("oops\n");
  expect(run.exitStatus).toBe("3");
  expect(readIndex(run.out).map(({ kind }) => kind)).toEqual(["header", "run-start", "chunk", "closed"]);
  expect(readIndex(run.out)[2]).toMatchObject({ position: 0, runId: "run1" });
  expect(statSync(run.out).mode & 0o777).toBe(0o640);
  expect(statSync(join(run.out, "..")).mode & 0o777).toBe(0o750);
});

test("runs follow each other in one file", async () => {
  await using rig = new PumpRig();
  await rig.startPump();
  for (const word of ["one", "two", "three"]) await rig.startRun(`echo ${word}`).ended();
  expect(wholeLog(rig.startRun("").out).toString()).toBe("one\ntwo\nthree\n");
});

test("output that was written before there was a pump is not lost", async () => {
  await using rig = new PumpRig();
  const run = rig.startRun("echo early; exit 7");
  await eventually(() => run.exitStatus === "7");
  expect(run.shimIsAlive()).toBe(true);
  await rig.startPump();
  await run.ended();
  expect(wholeLog(run.out).toString()).toBe("early\n");
});

test("the shim leaves only when everything was taken", async () => {
  await using rig = new PumpRig();
  const run = rig.startRun("seq 100000 109999");
  await eventually(() => run.has("pid"));
  expect(run.exitStatus).toBeUndefined(); // its FIFO is full
  await rig.startPump();
  await eventually(() => !run.shimIsAlive());
  expect(wholeLog(run.out).length).toBe(70_000);
});

test("a grandchild may hold the output open after the exit, and is read on", async () => {
  await using rig = new PumpRig();
  await rig.startPump();
  const go = join(rig.root, "go");
  const run = rig.startRun(`echo parent; { until [ -e ${go} ]; do sleep 0.01; done; echo grandchild; } & exit 0`);
  await eventually(() => run.has("exit") && !run.shimIsAlive());
  expect(run.has("out.eof")).toBe(false);
  expect(wholeLog(run.out).toString()).toBe("parent\n");
  writeFileSync(go, "");
  await run.ended();
  expect(wholeLog(run.out).toString()).toBe("parent\ngrandchild\n");
});

test("a grandchild that never stops writing does not keep the shim from leaving", async () => {
  await using rig = new PumpRig();
  await rig.startPump();
  const run = rig.startRun("yes & exit 0", { rotateBytes: 1 << 20, backups: 1 });
  await eventually(() => run.has("exit") && !run.shimIsAlive());
});

test("the service may open its standard output again by name", async () => {
  await using rig = new PumpRig();
  await rig.startPump();
  const run = rig.startRun("echo one; echo two >/dev/stdout; echo three >/proc/self/fd/1; echo four >/dev/stderr");
  await run.ended();
  expect(wholeLog(run.out).toString()).toBe("one\ntwo\nthree\n");
  expect(wholeLog(run.err).toString()).toBe("four\n");
});

test("a flood in one service does not keep the pump from another", async () => {
  await using rig = new PumpRig();
  await rig.startPump();
  const noisy = rig.startRun("yes", { rotateBytes: 1 << 20, backups: 1, name: "noisy" });
  await eventually(() => noisy.writtenBytes() > 1 << 20);
  const quiet = rig.startRun("for i in 1 2 3; do echo $i; done", { name: "quiet" });
  await quiet.ended();
  expect(wholeLog(quiet.out).toString()).toBe("1\n2\n3\n");
  expect(noisy.has("exit")).toBe(false);
});

test("files are rotated between lines under a flood, and lose nothing", async () => {
  await using rig = new PumpRig();
  await rig.startPump();
  const run = rig.startRun(flood(2_000_000), { rotateBytes: 1_000_003 });
  await run.ended();
  expect(wholeLog(run.out).equals(floodOutput(2_000_000))).toBe(true);
  const files = logFiles(run.out);
  expect(files).toHaveLength(20);
  for (const file of files) expect(readFileSync(file).at(-1)).toBe(10);
});

test("what was set aside is packed in the background, also when the run is over, and nothing is lost", async () => {
  await using rig = new PumpRig();
  await rig.startPump();
  const run = rig.startRun(flood(2_000_000), { rotateBytes: 1_000_003, compress: "zstd" });
  await run.ended();
  const [newest, ...older] = logFiles(run.out).slice(0, -1).reverse();
  await eventually(() => older.every((file) => existsSync(`${file}.zst`) && !existsSync(file)));
  expect(existsSync(newest ?? "")).toBe(true);
  expect(older).toHaveLength(18);
  expect(wholeLog(run.out).equals(floodOutput(2_000_000))).toBe(true);
});

test("packing takes a bounded memory, however large the file", async () => {
  await using rig = new PumpRig();
  const pump = await rig.startPump();
  const large = 300_000_000;
  const run = rig.startRun(`exec yes | head -c ${large + 20_000_000}; sleep 1000`, { rotateBytes: large / 2, compress: "gzip", name: "large" });
  await eventually(() => existsSync(`${rotatedPath(run.out, 0)}.gz.new`));
  const before = peakMemory(pump.pid);
  await eventually(() => !existsSync(rotatedPath(run.out, 0)));
  expect(peakMemory(pump.pid) - before).toBeLessThan(64_000_000);
});

test("a line of 200 MB is copied in little memory", async () => {
  await using rig = new PumpRig();
  const pump = await rig.startPump();
  const before = peakMemory(pump.pid);
  const run = rig.startRun("head -c 200000000 /dev/zero");
  await run.ended();
  expect(run.writtenBytes()).toBe(200_000_000);
  expect(peakMemory(pump.pid) - before).toBeLessThan(20_000_000);
});

test("a second pump leaves in peace, and the first stays", async () => {
  await using rig = new PumpRig();
  const first = await rig.startPump();
  expect(await once(rig.spawnPump(), "exit")).toEqual([0, null]);
  expect(await pumpStatus(rig.runtimeDir)).toMatchObject({ pid: first.pid });
});

test("the pump says what it does, and nobody answers when there is none", async () => {
  await using rig = new PumpRig();
  expect(await pumpStatus(rig.runtimeDir)).toBeUndefined();
  await rig.startPump();
  const run = rig.startRun("echo hello; sleep 1000");
  await eventually(() => run.writtenBytes() === 6);
  expect(await pumpStatus(rig.runtimeDir)).toMatchObject({ runs: 1, bytes: 6, dropped: 0 });
});

test("a visitor who talks nonsense is shown out", async () => {
  await using rig = new PumpRig();
  await rig.startPump();
  const socket = createConnection({ path: (await socketPath(rig.runtimeDir)) ?? "" });
  socket.end("GET / HTTP/1.1\r\n\r\n");
  const answer: Buffer[] = [];
  for await (const chunk of socket) answer.push(chunk);
  expect(answer).toEqual([]);
  expect(await pumpStatus(rig.runtimeDir)).toBeDefined();
});

test("a run directory that is taken away is dropped quietly", async () => {
  await using rig = new PumpRig();
  await rig.startPump();
  const run = rig.startRun("echo hello; sleep 1000");
  await eventually(() => run.writtenBytes() === 6);
  // As pmd takes it away: at once, for its shim may still be writing into it.
  renameSync(run.directory, join(rig.runtimeDir, "spare", "taken"));
  await eventually(async () => (await pumpStatus(rig.runtimeDir))?.runs === 0);
});

test("what is not a run is left alone", async () => {
  await using rig = new PumpRig();
  const strange = ["not-json", "another-name", "relative"];
  for (const name of strange) mkdirSync(join(rig.runtimeDir, "runs", name));
  for (const name of strange) writeFileSync(join(rig.runtimeDir, "runs", name, "shim"), "1\n");
  writeFileSync(join(rig.runtimeDir, "runs", "not-json", "spec.json"), "{");
  writeFileSync(join(rig.runtimeDir, "runs", "another-name", "spec.json"), JSON.stringify({ runId: "x", logs: {} }));
  writeFileSync(join(rig.runtimeDir, "runs", "relative", "spec.json"), JSON.stringify({ runId: "relative", logs: { stdout: "a", stderr: "b" } }));
  await rig.startPump();
  await rig.startRun("echo hello").ended();
  expect(existsSync(join(rig.runtimeDir, "runs", "not-json", "out.eof"))).toBe(false);
});

test("the pump leaves when its runtime directory is gone", async () => {
  await using rig = new PumpRig();
  const pump = await rig.startPump();
  await eventually(() => existsSync(join(rig.runtimeDir, "pump/pid")));
  renameSync(rig.runtimeDir, join(rig.root, "elsewhere"));
  await eventually(() => pump.exitCode === 0);
});

test("a rotation that is asked for names the file that was set aside, of a running service and of one that is over", async () => {
  await using rig = new PumpRig();
  await rig.startPump();
  const running = rig.startRun("echo one; sleep 1000", { name: "running" });
  await eventually(() => running.writtenBytes() === 4);
  const over = rig.startRun("echo two", { name: "over" });
  await over.ended();
  const files = [running.out, running.err, over.out].map((path) => ({ path, settings: plainSettings }));
  const { paths } = await requestRotation(rig.runtimeDir, files);
  expect(new Set(paths)).toEqual(new Set([rotatedPath(over.out, 0), rotatedPath(running.out, 0)]));
  expect(readFileSync(rotatedPath(running.out, 0), "utf8")).toBe("one\n");
  expect(statSync(running.out).size).toBe(0);
});

test("a purge frees what was written, and what comes after is kept", async () => {
  await using rig = new PumpRig();
  await rig.startPump();
  const go = join(rig.root, "go");
  const run = rig.startRun(`echo before; until [ -e ${go} ]; do sleep 0.01; done; echo after`);
  await eventually(() => run.writtenBytes() === 7);
  const files = [{ path: run.out, settings: plainSettings }];
  expect(await requestPurge(rig.runtimeDir, { files, rotatedOnly: true })).toMatchObject({ freedBytes: 0 });
  expect(await requestPurge(rig.runtimeDir, { files, rotatedOnly: false })).toMatchObject({ freedBytes: 7 });
  writeFileSync(go, "");
  await run.ended();
  expect(wholeLog(run.out).toString()).toBe("after\n");
});

test("a request that makes no sense is answered with what is wrong with it", async () => {
  await using rig = new PumpRig();
  await rig.startPump();
  await expect(requestRotation(rig.runtimeDir, [{ path: "relative.log", settings: plainSettings }])).rejects.toThrow("relative.log");
});

test("without a pump a request fails when the caller has waited long enough", async () => {
  await using rig = new PumpRig();
  await expect(requestRotation(rig.runtimeDir, [], AbortSignal.timeout(50))).rejects.toMatchObject({ reason: "PUMP_UNAVAILABLE" });
  // Also when its time is over before the request is written.
  await expect(requestRotation(rig.runtimeDir, [], AbortSignal.abort())).rejects.toMatchObject({ reason: "PUMP_UNAVAILABLE" });
});

test("a pump that is asked to leave leaves in good order", async () => {
  await using rig = new PumpRig();
  const pump = await rig.startPump();
  const run = rig.startRun("echo one; sleep 1000");
  await eventually(() => run.writtenBytes() === 4);
  await requestExit(rig.runtimeDir);
  await eventually(() => pump.exitCode === 0);
  expect(readIndex(run.out).at(-1)).toMatchObject({ kind: "closed" });
});

function peakMemory(pid: number | undefined): number {
  const [, kib] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) * 1024;
}
