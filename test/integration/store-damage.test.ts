import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempDisposableSync,
  readdirSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { migrations } from "../../src/store/migrations.ts";
import { openStore } from "../../src/store/open-store.ts";
import type { Store } from "../../src/supervisor/store.ts";
import { event, exit, run, service } from "../support/stored-records.ts";

// The files of a store as they are after kill -9: a database of many pages, and a log that has more.
const wallTime = () => 1000;
const original = mkdtempDisposableSync(join(tmpdir(), "store-"));
const size = { db: 0, wal: 0 };

beforeAll(() => {
  const live = mkdtempDisposableSync(join(tmpdir(), "store-"));
  const first = openStore(live.path, { wallTime }).store;
  for (let n = 0; n < 50; n++) first.saveServices(service(`before-${n}`));
  for (let n = 1; n <= 200; n++) first.appendEvent(event(n));
  first.close();
  const second = openStore(live.path, { wallTime }).store;
  for (let n = 0; n < 20; n++) second.saveServices(service(`after-${n}`));
  second.beginRun(run("a"));
  second.endRun("a", exit());
  second.flush();
  for (const name of ["pmd.db", "pmd.db-wal"]) copyFileSync(join(live.path, name), join(original.path, name));
  second.close();
  live.remove();
  size.db = readFileSync(join(original.path, "pmd.db")).length;
  size.wal = readFileSync(join(original.path, "pmd.db-wal")).length;
});

afterAll(() => original.remove());

test("a store whose database was cut is set aside, at whatever byte it was cut", () => {
  const cuts = fc.oneof(
    fc.constantFrom(0, 1, 15, 16, 59, 99, 100, 101, 4095, 4096, 4097),
    fc.nat(size.db - 1),
    fc.nat(size.db / 4096 - 1).map((n) => n * 4096),
  );
  const property = fc.property(cuts, fc.boolean(), (length, withLog) => {
    using copy = copyStore({ withLog });
    truncateSync(copy.file, length);
    const cut = hashes(copy.path);
    const { store, setAside } = openStore(copy.path, { wallTime });
    using _ = closing(store);
    if (setAside === undefined) {
      // The log has every page that is missing.
      expect(withLog).toBe(true);
      expect(readEverything(store)).toEqual({ services: 70, events: 200, runs: 1 });
      return;
    }
    expect(readEverything(store)).toEqual({ services: 0, events: 0, runs: 0 });
    expect(hashes(copy.path, "damaged")).toEqual(expect.arrayContaining(cut));
  });
  fc.assert(property, { numRuns: 100 });
}, 60_000);

test("a store whose log was cut is opened with what was saved before the cut", () => {
  const property = fc.property(fc.nat(size.wal - 1), (length) => {
    using copy = copyStore({ withLog: true });
    truncateSync(`${copy.file}-wal`, length);
    const { store, setAside } = openStore(copy.path, { wallTime });
    using _ = closing(store);
    expect(setAside).toBeUndefined();
    const names = store.listServices().map(({ name }) => name);
    const after = names.filter((name) => name.startsWith("after-")).length;
    expect(names).toHaveLength(50 + after);
    for (let n = 0; n < after; n++) expect(names).toContain(`after-${n}`);
  });
  fc.assert(property, { numRuns: 60 });
}, 60_000);

test("a store with garbage in it is opened or set aside, and can be read either way", () => {
  const property = fc.property(fc.nat(size.db - 1), fc.uint8Array({ minLength: 1, maxLength: 64 }), (offset, garbage) => {
    using copy = copyStore({ withLog: false });
    const content = readFileSync(copy.file);
    content.set(garbage.subarray(0, content.length - offset), offset);
    writeFileSync(copy.file, content);
    const cut = hashes(copy.path);
    const { store, setAside } = openOrRefuse(copy.path);
    if (!store) return;
    using _ = closing(store);
    readEverything(store);
    if (setAside !== undefined) expect(hashes(copy.path, "damaged")).toEqual(expect.arrayContaining(cut));
  });
  fc.assert(property, { numRuns: 150 });
}, 60_000);

/** Garbage can look like a newer version. */
function openOrRefuse(directory: string): Partial<ReturnType<typeof openStore>> {
  try {
    return openStore(directory, { wallTime });
  } catch (error) {
    expect(error).toMatchObject({ name: "NewerStoreError" });
    return {};
  }
}

test("a file that is no database is set aside with its log", () => {
  using directory = mkdtempDisposableSync(join(tmpdir(), "store-"));
  const file = join(directory.path, "pmd.db");
  writeFileSync(file, "not a database".repeat(100));
  writeFileSync(`${file}-wal`, "nor a log");
  const { store, setAside } = openStore(directory.path, { wallTime });
  store.close();
  expect(setAside).toBe(`${file}.damaged-1970-01-01T00-00-01.000Z`);
  expect(readFileSync(setAside ?? "", "utf8")).toContain("not a database");
  expect(readFileSync(`${setAside}-wal`, "utf8")).toBe("nor a log");
});

test("a schema that makes no sense is damage", () => {
  using copy = copyStore({ withLog: false });
  const content = readFileSync(copy.file, "latin1").replace("json_valid", "Kson_valid");
  writeFileSync(copy.file, content, "latin1");
  const { store, setAside } = openStore(copy.path, { wallTime });
  store.close();
  expect(existsSync(setAside ?? "")).toBe(true);
});

test("setting a store aside leaves no descriptor open", () => {
  const before = readdirSync("/proc/self/fd").length;
  using copy = copyStore({ withLog: true });
  truncateSync(copy.file, 5000);
  openStore(copy.path, { wallTime }).store.close();
  expect(readdirSync("/proc/self/fd").length).toBe(before);
});

test("a database that lacks a table is set aside", () => {
  using copy = copyStore({ withLog: true });
  edit(copy.file, "DROP TABLE resting");
  const { store, setAside } = openStore(copy.path, { wallTime });
  store.close();
  expect(existsSync(setAside ?? "")).toBe(true);
});

test("a record that is no longer JSON is damage", () => {
  using copy = copyStore({ withLog: true });
  edit(copy.file, "PRAGMA ignore_check_constraints = ON; UPDATE service SET record = '{' WHERE name = 'before-7'");
  const { store, setAside } = openStore(copy.path, { wallTime });
  store.close();
  expect(existsSync(setAside ?? "")).toBe(true);
});

test("a log without its database is not written into the new one", () => {
  using copy = copyStore({ withLog: true });
  renameSync(copy.file, `${copy.file}.elsewhere`);
  const { store, setAside } = openStore(copy.path, { wallTime });
  using _ = closing(store);
  expect(store.listServices()).toEqual([]);
  expect(existsSync(setAside ?? "")).toBe(true);
});

test("what was set aside before stays when another is set aside in the same millisecond", () => {
  using directory = mkdtempDisposableSync(join(tmpdir(), "store-"));
  for (const content of ["first", "second", "third"]) {
    writeFileSync(join(directory.path, "pmd.db"), content);
    openStore(directory.path, { wallTime }).store.close();
  }
  const damaged = readdirSync(directory.path).filter((name) => name.includes("damaged"));
  expect(damaged.map((name) => readFileSync(join(directory.path, name), "utf8")).sort()).toEqual(["first", "second", "third"]);
});

test("a database that was not finished is no store and no damage", () => {
  using directory = mkdtempDisposableSync(join(tmpdir(), "store-"));
  writeFileSync(join(directory.path, "pmd.db.new"), "unfinished");
  const { store, setAside } = openStore(directory.path);
  store.close();
  expect(setAside).toBeUndefined();
  expect(readdirSync(directory.path)).toEqual(["pmd.db", "reserve"]);
});

test("a newer store is refused and not one byte of it is changed", () => {
  using copy = copyStore({ withLog: true });
  edit(copy.file, "PRAGMA user_version = 99");
  copyFileSync(join(original.path, "pmd.db-wal"), `${copy.file}-wal`);
  const before = hashes(copy.path);
  expect(() => openStore(copy.path)).toThrow(`the store ${copy.file} has version 99, and this pmd knows no version above ${migrations.length}`);
  expect(hashes(copy.path)).toEqual(before);
});

test("a newer version that is only in the log is refused too", () => {
  using copy = copyStore({ withLog: false });
  const db = new DatabaseSync(copy.file);
  db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA user_version = 99");
  using killed = mkdtempDisposableSync(join(tmpdir(), "store-"));
  for (const name of ["pmd.db", "pmd.db-wal"]) copyFileSync(join(copy.path, name), join(killed.path, name));
  db.close();
  expect(() => openStore(killed.path)).toThrow("version 99");
});

test("a directory that cannot be used is an error that names it", () => {
  using directory = mkdtempDisposableSync(join(tmpdir(), "store-"));
  expect(() => openStore(join(directory.path, "absent"))).toThrow(`cannot use the state directory ${directory.path}/absent: ENOENT`);
  mkdirSync(join(directory.path, "pmd.db"));
  expect(() => openStore(directory.path)).toThrow(`cannot open the store ${directory.path}/pmd.db: `);
});

function copyStore({ withLog }: { withLog: boolean }) {
  const { path, remove } = mkdtempDisposableSync(join(tmpdir(), "store-"));
  const file = join(path, "pmd.db");
  copyFileSync(join(original.path, "pmd.db"), file);
  if (withLog) copyFileSync(join(original.path, "pmd.db-wal"), `${file}-wal`);
  return { path, file, [Symbol.dispose]: remove };
}

/** As another program would; the log is in the database afterwards. */
function edit(file: string, sql: string): void {
  using db = new DatabaseSync(file);
  db.exec(sql);
}

function closing(store: Store): Disposable {
  return { [Symbol.dispose]: () => store.close() };
}

function readEverything(store: Store): Record<string, number> {
  return { services: store.listServices().length, events: store.readEvents(0, 1000).length, runs: store.listRuns("default", "web", 10).length };
}

/** By content alone: what is set aside has another name. */
function hashes(directory: string, containing = "pmd.db"): string[] {
  const names = readdirSync(directory).filter((name) => name.includes(containing));
  return names
    .map((name) =>
      createHash("sha256")
        .update(readFileSync(join(directory, name)))
        .digest("hex"),
    )
    .sort();
}
