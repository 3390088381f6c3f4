import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempDisposableSync, readdirSync, readFileSync, readlinkSync, rmdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { InstanceSample, MeasuredInstance, UsageSample } from "../../src/metrics/usage-sample.ts";
import { UsageSampler } from "../../src/metrics/usage-sampler.ts";
import { eventually } from "../support/eventually.ts";
import { ProcessTree } from "../support/process-tree.ts";

const MiB = 1024 * 1024;
const spinning = "while :; do :; done";

test("a tree's CPU is that of its children too, and absent until there are two samples", async () => {
  await using tree = await startTree(`(${spinning}) & echo ready; wait`);
  await using meter = new Meter({ runId: tree.runId, pid: tree.pid });
  const [first, ...later] = await meter.until(({ cpuPercent = 0 }) => cpuPercent > 5);
  expect(first).not.toHaveProperty("cpuPercent");
  expect(first).toMatchObject({ instance: "default/web#0", pids: 2, restarts: 3 });
  for (const { cpuPercent } of later) expect(cpuPercent).toBeGreaterThanOrEqual(0);
});

test("children that come and go are counted, and never make CPU negative", async () => {
  await using tree = await startTree(`echo ready; while :; do sh -c 'i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done'; done`);
  await using meter = new Meter({ runId: tree.runId, pid: tree.pid });
  const samples = await meter.until(({ cpuPercent = 0 }, n) => n >= 8 && cpuPercent > 5);
  for (const { cpuPercent } of samples.slice(1)) expect(cpuPercent).toBeGreaterThanOrEqual(0);
});

test("the memory of a child is seen, and its peak stays when it has ended", async () => {
  const hungry = `const held = Buffer.alloc(100 * 2 ** 20, 1); console.log(process.pid); setInterval(() => held, 1e6)`;
  await using tree = await startTree(`"$NODE" -e '${hungry}' & sleep 1000`);
  await using meter = new Meter({ runId: tree.runId, pid: tree.pid });
  const samples = await meter.until(({ memoryBytes }) => memoryBytes > 100 * MiB);
  expect(samples.at(-1)?.pids).toBe(3);
  process.kill(Number(tree.firstLine), "SIGKILL");
  await meter.until(({ memoryBytes }) => memoryBytes < 50 * MiB);
  expect(meter.sampler.peakMemory(meter.measured.runId)).toBeGreaterThan(100 * MiB);
  expect(meter.sampler.peakMemory("of another run")).toBe(0);
});

test("a process that left its parent and its session belongs to the run that its environment names", async () => {
  await using tree = await startTree(`setsid sh -c 'setsid sleep 1000 & exit' </dev/null; echo ready; exec sleep 1000`);
  await using meter = new Meter({ runId: tree.runId, pid: tree.pid });
  await meter.until(({ pids }) => pids === 2);
});

test("the parent of the main process is not of the run", async () => {
  await using shim = await startTree(`setsid sleep 1000 & echo $!; wait`);
  await using meter = new Meter({ runId: shim.runId, pid: Number(shim.firstLine) });
  const [first] = await meter.until(() => true);
  expect(first?.pids).toBe(1);
});

test("another run in the same place begins without CPU", async () => {
  await using tree = await startTree(`${spinning} & echo ready; wait`);
  await using meter = new Meter({ runId: tree.runId, pid: tree.pid });
  await meter.until(({ cpuPercent }) => cpuPercent !== undefined);
  meter.measured = { ...meter.measured, runId: "another" };
  await meter.until(({ cpuPercent }) => cpuPercent === undefined);
  await meter.until(({ cpuPercent }) => cpuPercent !== undefined);
});

test("open files are those of the whole tree", async () => {
  const holder = "exec 3</dev/null 4</dev/null 5</dev/null; sleep 1000";
  await using tree = await startTree(`sh -c '${holder}' & ${holder.replace("sleep 1000", "echo ready; sleep 1000")}`);
  await using meter = new Meter({ runId: tree.runId, pid: tree.pid });
  await meter.until(({ pids, openFiles = 0 }) => pids === 4 && openFiles >= 4 * 6);
  const listed = tree.pids().reduce((sum, pid) => sum + readdirSync(`/proc/${pid}/fd`).length, 0);
  await meter.until(({ openFiles }) => openFiles === listed);
});

test("a run that has ended is in no sample", async () => {
  await using tree = await startTree("echo ready; exec sleep 1000");
  await using meter = new Meter({ runId: tree.runId, pid: tree.pid });
  await meter.until(() => true);
  await tree.end();
  for await (const { instances } of meter.watch()) if (instances.length === 0) break;
});

test("where a cgroup tells memory and its peak, no process is asked", async () => {
  using cgroup = mkdtempDisposableSync(join(tmpdir(), "cgroup-"));
  const files = { "cpu.stat": "usage_usec 5000000\nuser_usec 1\n", "cgroup.procs": "999999999\n", "cgroup.stat": "nr_descendants 1\n" };
  for (const [name, content] of Object.entries({ ...files, "memory.current": "4096\n", "memory.peak": "81920\n" })) {
    writeFileSync(join(cgroup.path, name), content);
  }
  mkdirSync(join(cgroup.path, "worker"));
  writeFileSync(join(cgroup.path, "worker/cgroup.procs"), "999999998\n999999997\n");
  await using meter = new Meter({ pid: 999999999, cgroup: cgroup.path });
  const [first] = await meter.until(() => true);
  expect(first).toMatchObject({ memoryBytes: 4096, pids: 3, openFiles: 0 });
  expect(meter.sampler.peakMemory(meter.measured.runId)).toBe(81920);
  writeFileSync(join(cgroup.path, "cpu.stat"), "usage_usec 900000000\n");
  await meter.until(({ cpuPercent = 0 }) => cpuPercent > 100);
});

const cgroupMount = findCgroupMount();

test.skipIf(!cgroupMount)("a real cgroup tells the CPU of a tree, and its processes their memory", async () => {
  await using group = makeGroup(cgroupMount ?? "");
  await using tree = await startTree(`echo 0 >${group.path}/cgroup.procs; (${spinning}) & echo ready; wait`);
  await using meter = new Meter({ runId: tree.runId, pid: tree.pid, cgroup: group.path });
  const samples = await meter.until(({ cpuPercent = 0 }) => cpuPercent > 5);
  expect(samples.at(-1)).toMatchObject({ pids: 2, openFiles: expect.toSatisfy((count: number) => count >= 6) });
  expect(samples.at(-1)?.memoryBytes).toBeGreaterThan(100_000);
  expect(samples.at(-1)?.memoryBytes).toBeLessThan(100 * MiB);
});

test("asked at the same time, and asked within a second, it takes one sample", async () => {
  const clock = { now: 0 };
  const sampler = new UsageSampler({ list: () => [], now: () => clock.now });
  const [first, second] = await Promise.all([sampler.sample(), sampler.sample()]);
  expect(second).toBe(first);
  clock.now = 1000;
  expect(await sampler.sample()).toBe(first);
  clock.now = 1001;
  expect(await sampler.sample()).not.toBe(first);
  await sampler.close();
});

test("a slow reader gets a new sample, not one that was taken while it was busy", async () => {
  await using meter = new Meter({ pid: process.pid });
  const samples = meter.watch();
  await samples.next();
  // Others go on looking meanwhile.
  await meter.until((_, n) => n > 3);
  const asked = Date.now();
  const { value } = await samples.next();
  expect((value as UsageSample).at).toBeGreaterThanOrEqual(asked - 125);
  await samples.return();
});

test("watching ends with its signal and with the sampler", async () => {
  const sampler = new UsageSampler({ list: () => [] });
  const controller = new AbortController();
  for (const end of [() => controller.abort(), () => sampler.close()]) {
    const samples = sampler.watch(3_600_000, controller.signal.aborted ? new AbortController().signal : controller.signal);
    expect((await samples.next()).done).toBe(false);
    const next = samples.next();
    await end();
    expect((await next).done).toBe(true);
  }
  await expect(sampler.sample()).rejects.toMatchObject({ reason: "SHUTTING_DOWN" });
});

test("samples are taken without being asked for, and an error of one does not end them", async () => {
  const errors: unknown[] = [];
  const { promise: recovered, resolve } = Promise.withResolvers<void>();
  let calls = 0;
  const list = (): MeasuredInstance[] => {
    if (++calls === 1) throw new Error("not now");
    resolve();
    return [];
  };
  const sampler = new UsageSampler({ list, intervalMs: 10, onError: (error) => errors.push(error) });
  sampler.start();
  await recovered;
  await sampler.close();
  expect(errors).toEqual([new Error("not now")]);
});

test("what was sampled is history, of the instance and of the host", async () => {
  await using meter = new Meter({ pid: process.pid });
  await meter.until((_, n) => n >= 3);
  const { history } = meter.sampler;
  expect(history.listSubjects()).toEqual(["", "default/web#0"]);
  expect(history.query("default/web#0").at(-1)).toMatchObject({ pids: expect.any(Number), memoryBytes: expect.any(Number) });
  expect(history.query("").at(-1)?.memoryBytes).toBeGreaterThan(MiB);
});

test("descriptors go with the processes that they were for, and with the sampler", async () => {
  const before = countDescriptors();
  const timers = countTimers();
  const trees = await Promise.all(Array.from({ length: 3 }, () => startTree("echo ready; exec sleep 1000")));
  const alive = new Set(trees);
  const list = () => [...alive].map(({ pid }, i) => ({ ...defaults, pid, runId: `run-${pid}`, instance: `default/web#${i}` }));
  const sampler = new UsageSampler({ list });
  sampler.start();
  const processDescriptors = () => countDescriptors("/proc/");
  const samples = sampler.watch(250, new AbortController().signal);
  await samples.next();
  expect(processDescriptors()).toBe(3);
  for (const tree of trees.slice(1)) await tree.end();
  await samples.next();
  expect(processDescriptors(), "of those that have ended while they were measured").toBe(1);
  alive.clear();
  await samples.next();
  expect(processDescriptors(), "of those that are not measured any more").toBe(0);
  alive.add(trees[0] as (typeof trees)[0]);
  await samples.next();
  expect(processDescriptors()).toBe(1);
  await sampler.close();
  await trees[0]?.end();
  expect(countDescriptors()).toBe(before);
  expect(countTimers()).toBeLessThanOrEqual(timers);
});

const defaults: MeasuredInstance = { instance: "default/web#0", runId: "run-1", pid: 0, cgroup: undefined, aliveMs: 0, restarts: 3 };

async function startTree(script: string): Promise<ProcessTree & { runId: string }> {
  const runId = randomUUID();
  return Object.assign(await ProcessTree.start(script, { PM_RUN_ID: runId }), { runId });
}

class Meter implements AsyncDisposable {
  measured: MeasuredInstance;
  readonly sampler = new UsageSampler({ list: () => [this.measured] });

  constructor(measured: Partial<MeasuredInstance>) {
    this.measured = { ...defaults, ...measured };
  }

  watch(): AsyncGenerator<UsageSample, void> {
    return this.sampler.watch(250, new AbortController().signal);
  }

  /** The samples of the instance up to the one that was waited for. */
  async until(found: (sample: InstanceSample, n: number) => boolean): Promise<InstanceSample[]> {
    const samples: InstanceSample[] = [];
    for await (const { instances } of this.watch()) {
      samples.push(...instances);
      if (instances[0] && found(instances[0], samples.length)) break;
    }
    return samples;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.sampler.close();
  }
}

/** Undefined where none can be made. */
function findCgroupMount(): string | undefined {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  const mount = mounts.find((line) => line.includes(" - cgroup2 "))?.split(" ")[4];
  return mount !== undefined && process.getuid?.() === 0 ? mount : undefined;
}

function makeGroup(mount: string) {
  const path = join(mount, `test-${randomUUID()}`);
  mkdirSync(path);
  return { path, [Symbol.asyncDispose]: () => removeGroup(path) };
}

/** A process that is killed leaves its group a moment after it has left /proc. */
async function removeGroup(path: string): Promise<void> {
  await eventually(() => readFileSync(join(path, "cgroup.events"), "utf8").includes("populated 0"));
  rmdirSync(path);
}

/** Of this process; those of files below the path. */
function countDescriptors(below = ""): number {
  return readdirSync("/proc/self/fd").filter((fd) => linkOf(fd).startsWith(below)).length;
}

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return ""; // the one that listed the others
  }
}

function countTimers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
}
