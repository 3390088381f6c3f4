import type { DatabaseSync } from "node:sqlite";
import { failpoint } from "../failpoint.ts";

/** `durable` is on disk when it returns. `soon` survives the end of the process, and may be lost with the power. */
export type Durability = "durable" | "soon";

// One connection and a pragma for each transaction, rather than two connections: there is one order of writes, and a durable commit syncs the
// whole write-ahead log, with all that was written `soon` before it.
const synchronous = { durable: "FULL", soon: "NORMAL" } as const;

export function transact(db: DatabaseSync, durability: Durability, work: () => void): void {
  try {
    attempt(db, durability, work);
  } catch (error) {
    if (!isFull(error)) throw error;
    // The log can be written from its beginning again once the database has taken it over. So there is room for a stop on a full disk.
    db.exec("PRAGMA wal_checkpoint(PASSIVE)");
    attempt(db, durability, work);
  }
}

function attempt(db: DatabaseSync, durability: Durability, work: () => void): void {
  db.exec(`PRAGMA synchronous = ${synchronous[durability]}`);
  db.exec("BEGIN IMMEDIATE");
  try {
    work();
    failpoint(`store.${durability}-before-commit`);
    db.exec("COMMIT");
    failpoint(`store.${durability}-committed`);
  } catch (error) {
    // SQLite has rolled back by itself after some errors, a full disk among them.
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

export function isFull(error: unknown): boolean {
  return sqliteCode(error) === 13;
}

/** The row itself was refused: a constraint, a type, its size. */
export function isRefusal(error: unknown): boolean {
  const code = sqliteCode(error);
  return error instanceof TypeError || code === 18 || code === 19 || code === 20;
}

/** Not a database, not a whole one, or one whose schema does not fit our statements. */
export function isDamageReport(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === 1 || code === 11 || code === 26;
}

/** https://www.sqlite.org/rescode.html, without what extends the code; undefined when the error is not SQLite's. */
function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") return undefined;
  return error.errcode & 0xff;
}
