import { accessSync, chmodSync, closeSync, constants, existsSync, fsyncSync, openSync, readSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { failpoint } from "../failpoint.ts";
import { DiskReserve } from "./disk-reserve.ts";
import { checkSchema, migrate, migrations, readVersion } from "./migrations.ts";
import { defaultRetention, type Retention } from "./retention.ts";
import { SqliteStore } from "./sqlite-store.ts";
import { isDamageReport } from "./transaction.ts";

/** Within the state directory. */
export const storeFile = "pmd.db";

export interface StoreOptions {
  readonly retention?: Partial<Retention>;
  readonly wallTime?: () => number;
}

/**
 * Opens `pmd.db` in the directory, or begins one. A damaged file is never repaired nor deleted: it is set aside under the name returned, and a
 * new one is begun. One that a newer pmd has written is refused, and stays as it is.
 */
export function openStore(stateDir: string, options: StoreOptions = {}): { store: SqliteStore; setAside?: string } {
  const file = join(stateDir, storeFile);
  const retention = { ...defaultRetention, ...options.retention };
  const wallTime = options.wallTime ?? Date.now;
  checkAccess(stateDir, file);
  try {
    const found = openFound(file, wallTime());
    const parts = { retention, wallTime, reserve: new DiskReserve(join(stateDir, "reserve")) };
    if (typeof found === "object") return { store: new SqliteStore(found, parts) };
    const store = new SqliteStore(createDatabase(file), parts);
    return found === undefined ? { store } : { store, setAside: found };
  } catch (error) {
    if (error instanceof NewerStoreError) throw error;
    throw new Error(`cannot open the store ${file}: ${messageOf(error)}`, { cause: error });
  }
}

class NewerStoreError extends Error {
  constructor(file: string, found: number) {
    super(`the store ${file} has version ${found}, and this pmd knows no version above ${migrations.length}: start the newer pmd that wrote it`);
    this.name = "NewerStoreError";
  }
}

/** SQLite would fall back to reading only, and say so at the first write. */
function checkAccess(stateDir: string, file: string): void {
  const { R_OK, W_OK, X_OK } = constants;
  try {
    accessSync(stateDir, R_OK | W_OK | X_OK);
    if (existsSync(file)) accessSync(file, R_OK | W_OK);
  } catch (cause) {
    throw new Error(`cannot use the state directory ${stateDir}: ${messageOf(cause)}`, { cause });
  }
}

/** The database, or where its files were moved to, or undefined when there are none. */
function openFound(file: string, now: number): DatabaseSync | string | undefined {
  const header = existsSync(file) ? readHeader(file) : undefined;
  if (!header) return setFilesAside(file, now);
  // Before SQLite sees it, which would write the log of a pmd that was killed into the file.
  refuseNewer(file, header.version);
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(file);
    takeExclusively(db);
    checkWhole(db);
    refuseNewer(file, readVersion(db));
    chmodSync(file, 0o600);
    migrate(db);
    return db;
  } catch (error) {
    // Moved before it is closed: SQLite leaves alone what is no longer in its place, so the files stay as they were found.
    const setAside = isDamage(error) ? setFilesAside(file, now) : undefined;
    db?.close();
    if (setAside === undefined) throw error;
    return setAside;
  }
}

/** https://www.sqlite.org/fileformat.html, 1.3: the magic string at 0, the user version at 60. */
function readHeader(file: string): { version: number } | undefined {
  const header = Buffer.alloc(100);
  const fd = openSync(file, "r");
  try {
    const length = readSync(fd, header);
    if (length < header.length || header.toString("latin1", 0, 16) !== "SQLite format 3\0") return undefined;
    return { version: header.readInt32BE(60) };
  } finally {
    closeSync(fd);
  }
}

function refuseNewer(file: string, version: number): void {
  if (version > migrations.length) throw new NewerStoreError(file, version);
}

class DamageError extends Error {}

function isDamage(error: unknown): boolean {
  return error instanceof DamageError || isDamageReport(error);
}

/** pmd is the only one to use it. So there is no shared memory, and a store on a full disk can be opened. */
function takeExclusively(db: DatabaseSync): void {
  db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL");
}

function checkWhole(db: DatabaseSync): void {
  const version = readVersion(db);
  if (version < 1) throw new DamageError(`it has version ${version}`);
  const [problem] = db.prepare("PRAGMA quick_check(1)").all();
  if (problem?.quick_check !== "ok") throw new DamageError(String(problem?.quick_check));
  if (version === migrations.length) checkSchema(db);
}

/** A log without its file counts as well: SQLite would write it into the new one. Undefined when there was nothing. */
function setFilesAside(file: string, now: number): string | undefined {
  const found = ["", "-wal", "-shm"].filter((suffix) => existsSync(file + suffix));
  if (found.length === 0) return undefined;
  const stamp = new Date(now).toISOString().replaceAll(":", "-");
  let target = `${file}.damaged-${stamp}`;
  for (let n = 2; isTaken(target); n++) target = `${file}.damaged-${stamp}-${n}`;
  for (const suffix of found) renameSync(file + suffix, target + suffix);
  return target + found[0];
}

function isTaken(target: string): boolean {
  return ["", "-wal", "-shm"].some((suffix) => existsSync(target + suffix));
}

/** It is made under another name and renamed, so that `pmd.db` is there whole or not at all: an empty one has been damaged. */
function createDatabase(file: string): DatabaseSync {
  const unfinished = `${file}.new`;
  for (const suffix of ["", "-wal", "-journal"]) rmSync(unfinished + suffix, { force: true });
  closeSync(openSync(unfinished, "wx", 0o600));
  const making = new DatabaseSync(unfinished);
  try {
    takeExclusively(making);
    migrate(making);
  } finally {
    making.close();
  }
  failpoint("store.made");
  renameSync(unfinished, file);
  failpoint("store.named");
  syncDirectory(dirname(file));
  const db = new DatabaseSync(file);
  takeExclusively(db);
  return db;
}

function syncDirectory(directory: string): void {
  const fd = openSync(directory, "r");
  fsyncSync(fd);
  closeSync(fd);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
