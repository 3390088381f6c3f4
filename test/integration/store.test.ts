import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Store } from "../../src/supervisor/store.ts";
import { DiskStore } from "../support/disk-store.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { events, exits, instances, names, namespaces, runIds, runs, services } from "../support/stored-record-arbitraries.ts";
import { event, exit, run } from "../support/stored-records.ts";

type Operation = (store: Store) => void;

const operations: fc.Arbitrary<Operation | "reopen"> = fc.oneof(
  services.map(
    (service): Operation =>
      (store) =>
        store.saveServices(service),
  ),
  fc.tuple(namespaces, names).map(
    ([namespace, name]): Operation =>
      (store) =>
        store.deleteService(namespace, name),
  ),
  fc.tuple(instances, fc.option(fc.record({ phase: fc.constantFrom("exited", "failed"), reason: names, bootId: names }), { nil: undefined })).map(
    ([instance, resting]): Operation =>
      (store) =>
        store.saveResting(instance, resting),
  ),
  runs.map(
    (run): Operation =>
      (store) =>
        store.beginRun(run),
  ),
  fc.tuple(runIds, exits).map(
    ([id, exit]): Operation =>
      (store) =>
        store.endRun(id, exit),
  ),
  fc.tuple(runIds, exits).map(
    ([id, exit]): Operation =>
      (store) =>
        store.completeRun(id, exit),
  ),
  events.map(
    (event): Operation =>
      (store) =>
        store.appendEvent(event),
  ),
  fc.constant("reopen"),
);

test("the store on disk and the one in memory answer alike, whatever is done to them", () => {
  const property = fc.property(fc.array(operations, { maxLength: 60 }), (steps) => {
    using disk = new DiskStore({ retention: { runs: 2 } });
    const memory = new MemoryStore({ runsKept: 2 });
    for (const step of steps) {
      if (step === "reopen") disk.reopen();
      else for (const store of [disk.store, memory]) step(store);
    }
    expect(readAll(disk.store)).toEqual(readAll(memory));
    expect(disk.store.lastError).toBeUndefined();
  });
  fc.assert(property, { numRuns: 150 });
}, 60_000);

function readAll(store: Store): unknown {
  const everyService = ["default", "prod"].flatMap((namespace) => ["web", "web2", "w", "Web.x_1"].map((name) => [namespace, name] as const));
  return {
    services: store.listServices(),
    revisions: everyService.map(([namespace, name]) => store.listRevisions(namespace, name)),
    resting: [...store.listResting()].sort(),
    runs: everyService.map(([namespace, name]) => store.listRuns(namespace, name, 50)),
    newestRuns: everyService.map(([namespace, name]) => store.listRuns(namespace, name, 1)),
    found: Array.from({ length: 8 }, (_, n) => store.findRun(`run-${n}`)),
    events: store.readEvents(0, 100),
    someEvents: store.readEvents(10, 3),
    range: store.eventRange(),
  };
}

test("a run ends once", () => {
  using disk = new DiskStore();
  disk.store.beginRun(run("a"));
  disk.store.endRun("a", exit({ code: 1 }));
  disk.store.endRun("a", exit({ code: 2 }));
  expect(disk.store.findRun("a")?.end?.code).toBe(1);
});

test("an end is completed only where there is one", () => {
  using disk = new DiskStore();
  disk.store.beginRun(run("a"));
  disk.store.completeRun("a", exit({ code: 1 }));
  expect(disk.store.findRun("a")).toEqual(run("a"));
  disk.store.endRun("a", exit({ code: 1 }));
  disk.store.completeRun("a", exit({ code: 1, lastLines: ["bind: address in use"] }));
  expect(disk.store.findRun("a")?.end?.lastLines).toEqual(["bind: address in use"]);
});

test("the end of a run that began before all others is kept, and the run that has not ended", () => {
  using disk = new DiskStore({ retention: { runs: 2 } });
  for (const id of ["old", "alive", "a", "b", "c"]) disk.store.beginRun(run(id));
  for (const [endedAt, id] of ["a", "b", "c", "old"].entries()) disk.store.endRun(id, exit({ endedAt }));
  expect(disk.store.listRuns("default", "web", 9).map(({ id }) => id)).toEqual(["c", "alive", "old"]);
});

test("what ends after the clock was set back is kept, and what ended before goes", () => {
  using disk = new DiskStore({ retention: { runs: 2 } });
  for (const id of ["a", "b", "c", "d"]) disk.store.beginRun(run(id));
  for (const [id, endedAt] of Object.entries({ a: 9000, b: 9001, d: 10, c: 11 })) disk.store.endRun(id, exit({ endedAt }));
  expect(disk.store.listRuns("default", "web", 9).map(({ id, end }) => [id, end?.endedAt])).toEqual([
    ["d", 10],
    ["c", 11],
  ]);
});

test("what was queued is written without being asked for", async () => {
  using disk = new DiskStore();
  disk.store.appendEvent(event(1));
  await new Promise((resolve) => setImmediate(resolve));
  // Copied as it is: nothing has read it, which would flush it.
  using copy = new DiskStore({}, disk);
  expect(copy.store.readEvents(0, 9)).toEqual([event(1)]);
});

test("event numbers grow over pruning, by number and by age", () => {
  const day = 24 * 60 * 60 * 1000;
  let now = 100 * day;
  using disk = new DiskStore({ retention: { events: 20, pruneEvery: 10 }, wallTime: () => now });
  for (let sequence = 1; sequence <= 100; sequence++) {
    disk.store.appendEvent({ ...event(sequence), at: now });
    disk.store.flush();
  }
  const { oldest, newest } = disk.store.eventRange();
  expect(newest).toBe(100);
  expect(newest - oldest + 1).toBeGreaterThanOrEqual(20);
  expect(newest - oldest + 1).toBeLessThan(30);

  now += 8 * day;
  disk.reopen();
  expect(disk.store.eventRange()).toEqual({ oldest, newest });
  disk.store.appendEvent({ ...event(101), at: now });
  expect(disk.store.eventRange()).toEqual({ oldest: 101, newest: 101 });
  now += 8 * day;
  disk.reopen();
  disk.store.saveResting("default/web#0", undefined);
  expect(disk.store.eventRange(), "the newest stays, however old").toEqual({ oldest: 101, newest: 101 });
});

test("a write that the database refuses does not hold up those after it", () => {
  using disk = new DiskStore();
  disk.store.appendEvent({ ...event(1), at: Number.NaN });
  disk.store.appendEvent(event(2));
  expect(disk.store.readEvents(0, 9)).toEqual([event(2)]);
  expect(disk.store.lastError).toMatchObject({ message: expect.stringContaining("NOT NULL") });
  disk.store.appendEvent(event(3));
  disk.store.flush();
  expect(disk.store.lastError).toBeUndefined();
});

test("a burst larger than the queue is written whole", () => {
  using disk = new DiskStore({ retention: { queuedWrites: 10 } });
  for (let sequence = 1; sequence <= 35; sequence++) disk.store.appendEvent(event(sequence));
  expect(disk.store.readEvents(0, 99)).toHaveLength(35);
});

test("the epoch stays with the database", () => {
  using disk = new DiskStore();
  const { epoch } = disk.store;
  disk.reopen();
  expect(disk.store.epoch).toBe(epoch);
  using other = new DiskStore();
  expect(other.store.epoch).not.toBe(epoch);
});

test("only its owner may read it", () => {
  using disk = new DiskStore();
  disk.store.appendEvent(event(1));
  disk.store.flush();
  const modes = readdirSync(disk.directory).map((name) => [name, statSync(join(disk.directory, name)).mode & 0o777]);
  expect(modes).toEqual([
    ["pmd.db", 0o600],
    ["pmd.db-wal", 0o600],
    ["reserve", 0o600],
  ]);
});

test("a closed store says that it could not save", () => {
  using disk = new DiskStore();
  disk.store.close();
  disk.store.close();
  expect(() => disk.store.deleteService("default", "web")).toThrow(expect.objectContaining({ reason: "STORE_UNAVAILABLE" }));
});
