import { execFileSync } from "node:child_process";
import { closeSync, mkdtempDisposableSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openStore } from "../../src/store/open-store.ts";
import type { SqliteStore } from "../../src/store/sqlite-store.ts";
import { event, exit, run, service } from "../support/stored-records.ts";

const canMount = process.getuid?.() === 0;
const wallTime = () => 1000;
const large = { description: "x".repeat(60_000) };

test.skipIf(!canMount)("a service that finds no room is refused whole, and saved once there is room", () => {
  using disk = mountDisk();
  const { store } = openStore(disk.path, { wallTime });
  store.saveServices(service("small"));
  disk.fill();
  expect(() => store.saveServices(largeService("large"))).toThrow(expect.objectContaining({ reason: "STORE_UNAVAILABLE" }));
  expect(store.listServices().map(({ name }) => name)).toEqual(["small"]);
  disk.empty();
  store.saveServices(largeService("large"));
  store.close();
  expect(reopened(disk.path, (store) => store.listServices().map(({ name }) => name))).toEqual(["large", "small"]);
});

test.skipIf(!canMount)("what is queued waits for room, in order, and intent does not overtake it", () => {
  using disk = mountDisk();
  const { store } = openStore(disk.path, { wallTime });
  disk.fill();
  store.beginRun(run("a"));
  store.endRun("a", exit({ lastLines: [large.description] }));
  store.flush();
  expect(store.lastError).toMatchObject({ message: expect.stringContaining("full") });
  expect(() => store.saveServices(service("web"))).toThrow(expect.objectContaining({ reason: "STORE_UNAVAILABLE" }));
  expect(store.findRun("a")).toBeUndefined();
  disk.empty();
  store.flush();
  expect(store.lastError).toBeUndefined();
  store.saveServices(service("web"));
  expect(store.findRun("a")?.end?.lastLines).toEqual([large.description]);
  store.close();
});

test.skipIf(!canMount)("a queue that the full disk has made too long loses old events and no end of a run", () => {
  using disk = mountDisk();
  const { store } = openStore(disk.path, { wallTime, retention: { queuedWrites: 20 } });
  disk.fill();
  store.beginRun(run("a"));
  for (let sequence = 1; sequence <= 100; sequence++) store.appendEvent({ ...event(sequence), message: "x".repeat(5000) });
  store.endRun("a", exit());
  disk.empty();
  store.flush();
  expect(store.lastError).toBeUndefined();
  expect(store.findRun("a")?.end).toEqual(exit());
  expect(store.readEvents(0, 200).at(-1)?.sequence).toBe(100);
  expect(store.readEvents(0, 200).length).toBeLessThanOrEqual(20);
  store.close();
});

test.skipIf(!canMount)("a stop can be stored on a full disk, again and again", () => {
  using disk = mountDisk();
  const { store } = openStore(disk.path, { wallTime });
  store.saveServices(service("web"));
  disk.fill();
  for (let round = 1; round <= 500; round++) {
    store.saveOverrides(service("web", { overrides: { desired: round % 2 === 0 ? "stopped" : "running", stoppedInstances: [round] } }));
  }
  expect(store.listServices()[0]).toMatchObject({ overrides: { desired: "stopped", stoppedInstances: [500] } });
  store.close();
});

test.skipIf(!canMount)("what an operator said is stored on a full disk also when events wait for room, and a new service is not", () => {
  using disk = mountDisk();
  const { store } = openStore(disk.path, { wallTime });
  store.saveServices(service("web"));
  disk.fill();
  for (let sequence = 1; sequence <= 20; sequence++) store.appendEvent({ ...event(sequence), message: "x".repeat(5000) });
  store.flush();
  expect(store.lastError).toMatchObject({ message: expect.stringContaining("full") });
  expect(() => store.saveServices(service("new"))).toThrow(expect.objectContaining({ reason: "STORE_UNAVAILABLE" }));
  store.saveOverrides(service("web", { overrides: { desired: "stopped", stoppedInstances: [] } }));
  expect(store.listServices()).toMatchObject([{ name: "web", overrides: { desired: "stopped" } }]);
  expect(store.eventRange()).toEqual({ oldest: 1, newest: 20 });
  store.close();
});

test.skipIf(!canMount)("a store on a full disk can be opened and read", () => {
  using disk = mountDisk();
  const { store } = openStore(disk.path, { wallTime });
  store.saveServices(service("web"));
  store.close();
  disk.fill();
  expect(reopened(disk.path, (store) => store.listServices())).toEqual([service("web")]);
});

test.skipIf(!canMount)("a directory that can only be read is an error that names it", () => {
  using disk = mountDisk();
  openStore(disk.path).store.close();
  disk.remount("ro");
  expect(() => openStore(disk.path)).toThrow(`cannot use the state directory ${disk.path}: EROFS`);
  disk.remount("rw");
});

function largeService(name: string) {
  const { spec } = service(name);
  return service(name, { spec: { ...spec, ...large } });
}

function reopened<T>(directory: string, read: (store: SqliteStore) => T): T {
  const { store } = openStore(directory, { wallTime });
  try {
    return read(store);
  } finally {
    store.close();
  }
}

function mountDisk() {
  const { path, remove } = mkdtempDisposableSync(join(tmpdir(), "store-"));
  const ballast = join(path, "ballast");
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m,mode=700", "none", path]);
  return {
    path,
    fill(): void {
      const fd = openSync(ballast, "w");
      const chunk = Buffer.alloc(4096);
      try {
        while (writeSync(fd, chunk) > 0);
      } catch {
        // That is what it is for.
      }
      closeSync(fd);
    },
    empty: () => rmSync(ballast),
    remount: (mode: "ro" | "rw") => void execFileSync("mount", ["-o", `remount,${mode}`, path]),
    [Symbol.dispose](): void {
      execFileSync("umount", ["-l", path]);
      remove();
    },
  };
}
