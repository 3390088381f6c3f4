import type { DatabaseSync } from "node:sqlite";
import { serviceKey } from "../core/names.ts";
import type { ServiceSpec } from "../core/spec.ts";
import { storeUnavailable } from "../errors.ts";
import {
  type Resting,
  revisionsKept,
  type Store,
  type StoredEvent,
  type StoredExit,
  type StoredRevision,
  type StoredRun,
  type StoredService,
} from "../supervisor/store.ts";
import { applyWrite } from "./apply-write.ts";
import type { DiskReserve } from "./disk-reserve.ts";
import { pruneEvents, pruneRuns, type Retention } from "./retention.ts";
import { type Row, Statements } from "./statements.ts";
import { isFull, isRefusal, transact } from "./transaction.ts";
import { type Write, WriteQueue } from "./write-queue.ts";

/** A disk that did not take what was queued is tried again after so long. */
const retryMs = 1000;

export interface StoreParts {
  readonly retention: Retention;
  readonly wallTime: () => number;
  readonly reserve: DiskReserve;
}

/** Made by `openStore`, over a database of the newest version. */
export class SqliteStore implements Store {
  readonly epoch: string;
  readonly #db: DatabaseSync;
  readonly #sql: Statements;
  readonly #retention: Retention;
  readonly #wallTime: () => number;
  readonly #queue: WriteQueue;
  readonly #reserve: DiskReserve;
  #nextFlush: NodeJS.Immediate | undefined;
  #lastError: unknown;
  /** What waits for the queue to be on disk. */
  readonly #waiting: (() => void)[] = [];
  #retry: NodeJS.Timeout | undefined;
  #eventsUntilPruning = 0;

  constructor(db: DatabaseSync, { retention, wallTime, reserve }: StoreParts) {
    this.#db = db;
    this.#reserve = reserve;
    reserve.hold();
    this.#sql = new Statements(db);
    this.#retention = retention;
    this.#wallTime = wallTime;
    this.#queue = new WriteQueue(retention.queuedWrites);
    this.epoch = this.#sql.get("SELECT value FROM meta WHERE key = 'epoch'")?.value as string;
  }

  /** Why what was queued could not be written; undefined when it could. */
  get lastError(): unknown {
    return this.#lastError;
  }

  listServices(): StoredService[] {
    return this.#sql.all("SELECT record FROM service ORDER BY namespace, name").map(parseRecord<StoredService>);
  }

  saveServices(...services: StoredService[]): void {
    this.#writeIntent(() => {
      this.#replaceServices(services);
      for (const service of services) this.#keepRevision(service);
    });
  }

  saveOverrides(...services: StoredService[]): void {
    this.#writeIntent(() => this.#replaceServices(services), "with the reserve");
  }

  #replaceServices(services: readonly StoredService[]): void {
    for (const service of services) {
      this.#sql.run("INSERT OR REPLACE INTO service VALUES (?, ?, ?)", service.namespace, service.name, JSON.stringify(service));
    }
  }

  #keepRevision({ namespace, name, generation, updatedAt, source, origin = source, spec }: StoredService): void {
    const record = JSON.stringify(spec);
    this.#sql.run("INSERT OR IGNORE INTO revision VALUES (?, ?, ?, ?, ?, ?)", namespace, name, generation, updatedAt, origin, record);
    const oldest = generation - revisionsKept;
    if (oldest > 0) this.#sql.run("DELETE FROM revision WHERE namespace = ? AND name = ? AND generation <= ?", namespace, name, oldest);
  }

  listRevisions(namespace: string, name: string): StoredRevision[] {
    const newestFirst = "SELECT generation, at, origin, record FROM revision WHERE namespace = ? AND name = ? ORDER BY generation DESC";
    return this.#sql.all(newestFirst, namespace, name).map((row) => ({
      generation: row.generation as number,
      at: row.at as number,
      origin: row.origin as string,
      spec: parseRecord<ServiceSpec>(row),
    }));
  }

  deleteService(namespace: string, name: string): void {
    this.#writeIntent(() => {
      this.#sql.run("DELETE FROM revision WHERE namespace = ? AND name = ?", namespace, name);
      this.#sql.run("DELETE FROM service WHERE namespace = ? AND name = ?", namespace, name);
      this.#sql.run("DELETE FROM run WHERE namespace = ? AND service = ?", namespace, name);
      this.#sql.run("DELETE FROM resting WHERE substr(instance, 1, length(?1)) = ?1", `${serviceKey(namespace, name)}#`);
    });
  }

  saveResting(instance: string, resting: Resting | undefined): void {
    this.#enqueue({ kind: "resting", instance, resting });
  }

  listResting(): Map<string, Resting> {
    const rows = this.#read().all("SELECT instance, record FROM resting ORDER BY instance");
    return new Map(rows.map((row) => [row.instance as string, parseRecord<Resting>(row)]));
  }

  beginRun(run: StoredRun): void {
    this.#enqueue({ kind: "begin", run });
  }

  endRun(runId: string, end: StoredExit): void {
    this.#enqueue({ kind: "end", runId, end });
  }

  completeRun(runId: string, end: StoredExit): void {
    this.#enqueue({ kind: "complete", runId, end });
  }

  findRun(runId: string): StoredRun | undefined {
    const row = this.#read().get("SELECT record, ended FROM run WHERE id = ?", runId);
    return row && parseRun(row);
  }

  listOpenRuns(): StoredRun[] {
    return this.#read().all("SELECT record, ended FROM run WHERE ended IS NULL ORDER BY number").map(parseRun);
  }

  listRuns(namespace: string, service: string, limit: number): StoredRun[] {
    const newestFirst = "SELECT record, ended FROM run WHERE namespace = ? AND service = ? ORDER BY number DESC LIMIT ?";
    return this.#read().all(newestFirst, namespace, service, limit).map(parseRun);
  }

  appendEvent(event: StoredEvent): void {
    this.#enqueue({ kind: "event", event });
  }

  readEvents(afterSequence: number, limit: number): StoredEvent[] {
    const rows = this.#read().all("SELECT record FROM event WHERE sequence > ? ORDER BY sequence LIMIT ?", afterSequence, limit);
    return rows.map(parseRecord<StoredEvent>);
  }

  eventRange(): { oldest: number; newest: number } {
    const row = this.#read().get("SELECT min(sequence) AS oldest, max(sequence) AS newest FROM event");
    return { oldest: (row?.oldest ?? 0) as number, newest: (row?.newest ?? 0) as number };
  }

  /** Never throws: what could not be written stays queued, `lastError` says why, and the next flush tries again. */
  flush(): void {
    clearImmediate(this.#nextFlush);
    this.#nextFlush = undefined;
    if (this.#queue.length > 0) {
      try {
        this.#lastError = this.#writeQueued();
        this.#reserve.hold();
      } catch (error) {
        this.#lastError = error;
      }
    }
    if (this.#queue.length === 0) for (const resolve of this.#waiting.splice(0)) resolve();
    else this.#retry ??= setTimeout(() => this.#tryAgain(), retryMs).unref();
  }

  flushed(): Promise<void> {
    if (this.#queue.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  close(): void {
    this.flush();
    clearTimeout(this.#retry);
    if (this.#db.isOpen) this.#db.close();
  }

  #tryAgain(): void {
    this.#retry = undefined;
    this.flush();
  }

  #enqueue(write: Write): void {
    if (this.#queue.isFull && this.#lastError === undefined) this.flush();
    this.#queue.add(write);
    this.#nextFlush ??= setImmediate(() => this.flush());
  }

  /** Reads see what is queued, as far as the disk takes it. */
  #read(): Statements {
    this.flush();
    return this.#sql;
  }

  #writeIntent(work: () => void, room: "as it is" | "with the reserve" = "as it is"): void {
    try {
      this.#tryIntent(work);
    } catch (error) {
      if (room === "with the reserve" && isFull(error) && this.#reserve.release()) return this.#writeIntent(work);
      throw storeUnavailable(error);
    }
  }

  /** After what was queued before it, and whole or not at all. */
  #tryIntent(work: () => void): void {
    this.flush();
    if (this.#queue.length > 0) throw this.#lastError;
    transact(this.#db, "durable", work);
  }

  /** Returns why it left something out. */
  #writeQueued(): unknown {
    let refusal: unknown;
    transact(this.#db, "soon", () => {
      for (const write of this.#queue) {
        try {
          applyWrite(this.#sql, write);
        } catch (error) {
          // Refused for what it is, it would be refused for ever, and keep from the disk all that comes after it.
          if (!isRefusal(error)) throw error;
          refusal = error;
        }
      }
      this.#prune();
    });
    this.#queue.clear();
    return refusal;
  }

  #prune(): void {
    for (const write of this.#queue) {
      if (write.kind === "end") pruneRuns(this.#sql, this.#retention, write.runId);
      if (write.kind === "begin" && write.run.end) pruneRuns(this.#sql, this.#retention, write.run.id);
      if (write.kind === "event") this.#eventsUntilPruning--;
    }
    if (this.#eventsUntilPruning > 0) return;
    pruneEvents(this.#sql, this.#retention, this.#wallTime());
    this.#eventsUntilPruning = this.#retention.pruneEvery;
  }
}

function parseRecord<T>(row: Row): T {
  return JSON.parse(row.record as string) as T;
}

function parseRun(row: Row): StoredRun {
  const run = parseRecord<StoredRun>(row);
  return row.ended === null ? run : { ...run, end: JSON.parse(row.ended as string) as StoredExit };
}
