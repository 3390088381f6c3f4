import { expect, test } from "vitest";
import { busyPercent, HostUsage, parseHostCpu, parseHostMemory } from "../../../src/metrics/host-usage.ts";

const stat = (busy: number, idle: number) => `cpu  ${busy} 0 0 ${idle} 0 0 0 0 0 0\ncpu0 1 2 3\ncpu1 1 2 3\nintr 1 2\n`;
const meminfo = "MemTotal:        4000 kB\nMemFree:          100 kB\nMemAvailable:    1000 kB\n";

test("waiting for a disk is not busy, and the time of guests is counted once", () => {
  expect(parseHostCpu("cpu  10 20 30 1000 500 1 2 3 7 8\ncpu0 5 10\n")).toEqual({ cores: 1, busy: 66, total: 1566 });
});

test("CPU is what was used between two readings, and absent in the first", () => {
  const files = { "/proc/stat": stat(100, 900), "/proc/meminfo": meminfo };
  const host = new HostUsage((path) => files[path as keyof typeof files]);
  const first = host.read();
  expect(first).not.toHaveProperty("cpuPercent");
  expect(first).toMatchObject({ cores: 2, memoryUsedBytes: 3000 * 1024, memoryTotalBytes: 4000 * 1024 });
  files["/proc/stat"] = stat(150, 1050);
  expect(host.read().cpuPercent).toBe(25);
});

test("a kernel clock that stands still or runs backward gives no negative percentage", () => {
  const before = { cores: 1, busy: 100, total: 1000 };
  expect(busyPercent(before, before)).toBeUndefined();
  expect(busyPercent(before, { cores: 1, busy: 90, total: 1100 })).toBe(0);
});

test("memory in use is all but what is available", () => {
  expect(parseHostMemory(meminfo)).toEqual({ usedBytes: 3000 * 1024, totalBytes: 4000 * 1024 });
});
