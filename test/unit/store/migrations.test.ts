import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { defaults } from "../../../src/core/spec.ts";
import { checkSchema, migrate, migrations, readVersion } from "../../../src/store/migrations.ts";

const steps = ["CREATE TABLE a (x)", "ALTER TABLE a ADD COLUMN y", "INSERT INTO a VALUES (1, 2)"];

test("an empty database takes every step and ends at the newest version", () => {
  using db = new DatabaseSync(":memory:");
  migrate(db);
  expect(readVersion(db)).toBe(migrations.length);
  checkSchema(db);
});

test("a database takes only the steps that it has not taken", () => {
  using db = new DatabaseSync(":memory:");
  migrate(db, steps.slice(0, 1));
  migrate(db, steps);
  migrate(db, steps);
  expect(db.prepare("SELECT x, y FROM a").all()).toEqual([{ x: 1, y: 2 }]);
  expect(readVersion(db)).toBe(3);
});

test("a step that fails leaves the version before it", () => {
  using db = new DatabaseSync(":memory:");
  expect(() => migrate(db, [steps[0] as string, "CREATE TABLE b (x); INSERT INTO absent VALUES (1)"])).toThrow(
    "the step to version 2 failed: no such table: absent",
  );
  expect(readVersion(db)).toBe(1);
  expect(db.prepare("SELECT name FROM sqlite_schema").all()).toEqual([{ name: "a" }]);
});

test("a service that was stored before logs were rotated by the clock has the defaults, and keeps what it said", () => {
  using db = new DatabaseSync(":memory:");
  migrate(db, migrations.slice(0, 1));
  const record = { spec: { process: { logs: { stdout: "o.log", stderr: "", rotateBytes: 4096, backups: 3 } } } };
  db.prepare("INSERT INTO service VALUES ('default', 'web', ?)").run(JSON.stringify(record));
  migrate(db);
  const migrated = JSON.parse(db.prepare("SELECT record FROM service").get()?.record as string);
  expect(migrated.spec.process.logs).toEqual({ ...defaults.logs, stdout: "o.log", rotateBytes: 4096, backups: 3 });
});

test("of a service that was stored before revisions were kept, the spec that it has is the first", () => {
  using db = new DatabaseSync(":memory:");
  migrate(db, migrations.slice(0, 2));
  const record = { generation: 7, updatedAt: 1000.5, source: "/pm.yaml", spec: { description: "x" } };
  db.prepare("INSERT INTO service VALUES ('default', 'web', ?)").run(JSON.stringify(record));
  migrate(db);
  expect(db.prepare("SELECT * FROM revision").all()).toEqual([
    { namespace: "default", name: "web", generation: 7, at: 1000.5, origin: "/pm.yaml", record: '{"description":"x"}' },
  ]);
});

test("a database that lacks a table or a column is not whole", () => {
  for (const change of ["DROP TABLE resting", "ALTER TABLE event RENAME COLUMN at TO when_it_was"]) {
    using db = new DatabaseSync(":memory:");
    migrate(db);
    db.exec(change);
    expect(() => checkSchema(db)).toThrow(/no such (table: resting|column: at)/);
  }
});

test("two databases have two epochs", () => {
  const epochs = [1, 2].map(() => {
    using db = new DatabaseSync(":memory:");
    migrate(db);
    return db.prepare("SELECT value FROM meta WHERE key = 'epoch'").get()?.value;
  });
  expect(epochs[0]).toMatch(/^[0-9a-f]{32}$/);
  expect(epochs[0]).not.toBe(epochs[1]);
});
