import type { ServiceSpec } from "../core/spec.ts";

/** What must survive pmd. src/store implements it over SQLite; test/support/memory-store.ts is a model of it. */
export interface Store {
  listServices(): StoredService[];
  /** All or none, and on disk before it returns: intent is stored before anything is done about it. */
  saveServices(...services: StoredService[]): void;
  /** The same where only what operators said has changed: there is room for it on a full disk. */
  saveOverrides(...services: StoredService[]): void;
  /** The specs that a service has had, the newest first, as many as are kept. A spec is kept when the service is saved with it. */
  listRevisions(namespace: string, name: string): StoredRevision[];
  /** The service, its revisions, the history of its runs and its resting instances. */
  deleteService(namespace: string, name: string): void;

  /** The rest is written soon, in order, in one transaction with what else is waiting; `flush` waits for it. */
  saveResting(instance: string, resting: Resting | undefined): void;
  listResting(): Map<string, Resting>;
  beginRun(run: StoredRun): void;
  /** Each run ends once: a second end is ignored. */
  endRun(runId: string, end: StoredExit): void;
  /** The end of a run that has ended, with its last lines: they are known a little later. */
  completeRun(runId: string, end: StoredExit): void;
  findRun(runId: string): StoredRun | undefined;
  /** Those that have no end. */
  listOpenRuns(): StoredRun[];
  /** Newest first. */
  listRuns(namespace: string, service: string, limit: number): StoredRun[];
  appendEvent(event: StoredEvent): void;
  /** Those after the sequence number, oldest first. */
  readEvents(afterSequence: number, limit: number): StoredEvent[];
  /** 0, 0 when there are none. */
  eventRange(): { oldest: number; newest: number };
  /** Changes when the event numbers begin anew. */
  readonly epoch: string;
  flush(): void;
  /** Resolves when all that was said until now is on disk. */
  flushed(): Promise<void>;
  close(): void;
}

export interface StoredService {
  readonly namespace: string;
  readonly name: string;
  readonly spec: ServiceSpec;
  readonly overrides: Overrides;
  readonly generation: number;
  /** The generation at which what it runs was changed last: a run from before is stale. */
  readonly processGeneration: number;
  /** Wall clock. */
  readonly createdAt: number;
  readonly updatedAt: number;
  /** The file that defines it; empty when it came over the API. */
  readonly source: string;
  /** Who wrote its present spec, if that was not its source: empty for the API, or a word such as `rollback to 3`. */
  readonly origin?: string;
}

/** So many are kept of a service. */
export const revisionsKept = 20;

export interface StoredRevision {
  readonly generation: number;
  /** Wall clock. */
  readonly at: number;
  /** The path of a file, `rollback to 3`, or empty for the API. */
  readonly origin: string;
  readonly spec: ServiceSpec;
}

export interface Overrides {
  readonly desired?: "running" | "stopped";
  readonly instances?: number;
  readonly stoppedInstances: readonly number[];
}

/** An instance that has come to rest by itself stays so when pmd starts again, until the host boots. */
export interface Resting {
  readonly phase: "exited" | "failed";
  readonly reason: string;
  readonly bootId: string;
}

export interface StoredRun {
  readonly id: string;
  readonly namespace: string;
  readonly service: string;
  readonly index: number;
  readonly generation: number;
  readonly pid: number;
  readonly startedAt: number;
  readonly end?: StoredExit;
}

export const exitCauses = [
  "exited",
  "signalled",
  "stopped_by_request",
  "replaced",
  "start_timeout",
  "unhealthy",
  "memory_limit",
  "oom",
  "overtime",
  "ttl",
  "dependency",
  "spawn_failed",
  "lost",
] as const;
export type ExitCause = (typeof exitCauses)[number];

export interface StoredExit {
  readonly cause: ExitCause;
  readonly code?: number;
  readonly signal?: string;
  readonly endedAt: number;
  readonly uptimeMs: number;
  readonly peakMemoryBytes: number;
  readonly lastLines: readonly string[];
  readonly message: string;
}

export const eventTypes = [
  "daemon_started",
  "daemon_stopping",
  "store_reset",
  "pump_started",
  "pump_stalled",
  "service_created",
  "service_updated",
  "service_deleted",
  "intent_changed",
  "state_changed",
  "run_started",
  "run_ended",
  "run_adopted",
  "crash_loop",
  "gave_up",
  "survivors",
  "signalled",
  "reloaded",
  "health_changed",
] as const;
export type EventType = (typeof eventTypes)[number];

export interface StoredEvent {
  readonly sequence: number;
  readonly at: number;
  readonly type: EventType;
  /** `default/web`, `default/web#1`, or empty for pmd itself. */
  readonly subject: string;
  readonly runId: string;
  readonly message: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly exit?: StoredExit;
}
