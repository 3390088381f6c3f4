import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readlinkSync } from "node:fs";
import { expect, test } from "vitest";
import { ProcessUsageReader } from "../../src/metrics/process-usage.ts";
import { ProcessTree } from "../support/process-tree.ts";

test("each process is read through one descriptor, which goes when it is not asked for any more", async () => {
  await using first = await ProcessTree.start("echo ready; exec sleep 1000");
  await using second = await ProcessTree.start("echo ready; exec sleep 1000");
  const reader = new ProcessUsageReader();
  const usages = await reader.read([first.pid, second.pid, first.pid]);
  await reader.read([first.pid, second.pid]);
  expect([...usages.keys()]).toEqual([first.pid, second.pid]);
  expect(countStats()).toBe(2);
  await reader.read([second.pid]);
  expect(countStats()).toBe(1);
  await reader.read([]);
  expect(countStats()).toBe(0);
  expect((await reader.read([first.pid])).get(first.pid)?.memoryBytes).toBeGreaterThan(0);
  reader.close();
  expect(countStats()).toBe(0);
});

test("processes that end while they are read for the first time leave no descriptor", async () => {
  const reader = new ProcessUsageReader();
  // A descriptor is lost between its opening and its first reading: a few turns of the loop, of which one is met.
  for (let turns = 0; turns < 10; turns++) {
    const children = Array.from({ length: 30 }, () => spawn("sleep", ["1000"], { stdio: "ignore" }));
    const exited = Promise.all(children.map((child) => once(child, "exit")));
    const reading = reader.read(children.map(({ pid }) => pid ?? 0));
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
    for (const child of children) child.kill("SIGKILL");
    await Promise.all([reading, exited]);
  }
  await reader.read([]);
  expect(countStats()).toBe(0);
  reader.close();
});

test("one that ends between two readings leaves no descriptor, though it is still asked for", async () => {
  const tree = await ProcessTree.start("echo ready; exec sleep 1000");
  const reader = new ProcessUsageReader();
  expect((await reader.read([tree.pid, process.pid])).size).toBe(2);
  await tree.end();
  expect((await reader.read([tree.pid, process.pid])).size).toBe(1);
  expect(countStats()).toBe(1);
  reader.close();
});

test("one that is gone when it is first asked for is just missing, alone or among others", async () => {
  const tree = await ProcessTree.start("echo ready; exec sleep 1000");
  await tree.end();
  const reader = new ProcessUsageReader();
  expect((await reader.read([tree.pid])).size).toBe(0);
  expect([...(await reader.read([tree.pid, process.pid])).keys()]).toEqual([process.pid]);
  reader.close();
  expect(countStats()).toBe(0);
});

/** Descriptors of this process on what pidusage reads. */
function countStats(): number {
  const links = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return ""; // the one that listed the others
    }
  });
  return links.filter((link) => /^\/proc\/\d+\/stat/.test(link)).length;
}
