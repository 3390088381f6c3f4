import type { DatabaseSync } from "node:sqlite";
import { transact } from "./transaction.ts";

// Step n takes a store of version n to n + 1; the version is PRAGMA user_version. A step that has been released is never changed.
// What the supervisor keeps is JSON in `record` and `ended`, beside the columns that are searched. So a stored type that gains a
// required field needs a step too: one that writes the field into what is there.
// The checks are read again by quick_check, which is how text that is no longer JSON is found when the store is opened.
export const migrations: readonly string[] = [
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  INSERT INTO meta VALUES ('epoch', lower(hex(randomblob(16))));

  CREATE TABLE service (
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    record TEXT NOT NULL CHECK (json_valid(record)),
    PRIMARY KEY (namespace, name)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE resting (
    instance TEXT PRIMARY KEY,
    record TEXT NOT NULL CHECK (json_valid(record))
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE run (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    namespace TEXT NOT NULL,
    service TEXT NOT NULL,
    record TEXT NOT NULL CHECK (json_valid(record)),
    ended TEXT CHECK (json_valid(ended)),
    ended_at REAL
  ) STRICT;
  CREATE INDEX run_by_start ON run (namespace, service, number);
  CREATE INDEX run_by_end ON run (namespace, service, ended_at, number) WHERE ended_at IS NOT NULL;

  CREATE TABLE event (
    sequence INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    record TEXT NOT NULL CHECK (json_valid(record))
  ) STRICT;
  `,
  // Logs are rotated by the clock, packed, and removed by age: what was stored before has the defaults.
  `
  UPDATE service SET record = json_set(record, '$.spec.process.logs', json_patch(
    '{"hints":[],"interval":"none","maxAgeMs":1209600000,"compress":"zstd","totalBytes":0,"onFull":"drop"}',
    json_extract(record, '$.spec.process.logs')
  )) WHERE json_type(record, '$.spec.process.logs') = 'object';
  `,
  // Specs that a service has had are kept. A step that writes a new field into the spec of a service has to write it into these too.
  `
  CREATE TABLE revision (
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    generation INTEGER NOT NULL,
    at REAL NOT NULL,
    origin TEXT NOT NULL,
    record TEXT NOT NULL CHECK (json_valid(record)),
    PRIMARY KEY (namespace, name, generation)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO revision
    SELECT namespace, name, record ->> '$.generation', record ->> '$.updatedAt', record ->> '$.source', record -> '$.spec' FROM service
    WHERE json_type(record, '$.spec') = 'object' AND json_type(record, '$.generation') = 'integer'
      AND json_type(record, '$.updatedAt') IN ('integer', 'real') AND json_type(record, '$.source') = 'text';
  `,
];

export function readVersion(db: DatabaseSync): number {
  return db.prepare("PRAGMA user_version").get()?.user_version as number;
}

/** Each step is there whole or not at all, and on disk before the next one begins. */
export function migrate(db: DatabaseSync, steps = migrations): void {
  for (const [version, step] of steps.entries()) {
    if (version < readVersion(db)) continue;
    takeStep(db, step, version + 1);
  }
}

function takeStep(db: DatabaseSync, step: string, version: number): void {
  try {
    transact(db, "durable", () => db.exec(`${step}; PRAGMA user_version = ${version}`));
  } catch (cause) {
    // Not what SQLite threw: it is our step that failed, and the store is not to be taken for damaged.
    throw new Error(`the step to version ${version} failed: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

/** Throws what SQLite says of a table or a column that is missing. */
export function checkSchema(db: DatabaseSync): void {
  db.prepare("SELECT key, value FROM meta");
  db.prepare("SELECT namespace, name, record FROM service");
  db.prepare("SELECT namespace, name, generation, at, origin, record FROM revision");
  db.prepare("SELECT instance, record FROM resting");
  db.prepare("SELECT number, id, namespace, service, record, ended, ended_at FROM run");
  db.prepare("SELECT sequence, at, record FROM event");
}
