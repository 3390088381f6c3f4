import { randomUUID } from "node:crypto";
import { serviceKey } from "../../src/core/names.ts";
import { storeUnavailable } from "../../src/errors.ts";
import {
  type Resting,
  revisionsKept,
  type Store,
  type StoredEvent,
  type StoredExit,
  type StoredRevision,
  type StoredRun,
  type StoredService,
} from "../../src/supervisor/store.ts";

/** What a store does, without a disk. What goes in and comes out is copied, as a disk would. */
export class MemoryStore implements Store {
  readonly epoch = randomUUID();
  /** While set, intent cannot be written. */
  failure: Error | undefined;
  readonly #runsKept: number;
  readonly #services = new Map<string, StoredService>();
  readonly #revisions = new Map<string, StoredRevision[]>();
  readonly #resting = new Map<string, Resting>();
  /** By id, oldest first. */
  readonly #runs = new Map<string, StoredRun>();
  /** Ids of runs that have ended, the newest end last. */
  readonly #ended = new Set<string>();
  readonly #events = new Map<number, StoredEvent>();

  constructor({ runsKept = 100 } = {}) {
    this.#runsKept = runsKept;
  }

  listServices(): StoredService[] {
    return copy([...this.#services.values()].sort(byName));
  }

  saveOverrides(...services: StoredService[]): void {
    if (this.failure) throw storeUnavailable(this.failure);
    for (const service of services) this.#services.set(serviceKey(service.namespace, service.name), copy(service));
  }

  saveServices(...services: StoredService[]): void {
    this.saveOverrides(...services);
    for (const service of services) this.#keepRevision(service);
  }

  listRevisions(namespace: string, name: string): StoredRevision[] {
    return copy(this.#revisions.get(serviceKey(namespace, name)) ?? []);
  }

  #keepRevision({ namespace, name, generation, updatedAt, source, origin = source, spec }: StoredService): void {
    const before = this.listRevisions(namespace, name);
    const isKnown = before.some((revision) => revision.generation === generation);
    const after = isKnown ? before : [...before, copy({ generation, at: updatedAt, origin, spec })].sort((a, b) => b.generation - a.generation);
    this.#revisions.set(
      serviceKey(namespace, name),
      after.filter((revision) => revision.generation > generation - revisionsKept),
    );
  }

  deleteService(namespace: string, name: string): void {
    if (this.failure) throw storeUnavailable(this.failure);
    const key = serviceKey(namespace, name);
    this.#services.delete(key);
    this.#revisions.delete(key);
    for (const { id } of this.#runsOf(namespace, name)) this.#forget(id);
    for (const instance of this.#resting.keys()) if (instance.startsWith(`${key}#`)) this.#resting.delete(instance);
  }

  saveResting(instance: string, resting: Resting | undefined): void {
    if (resting) this.#resting.set(instance, copy(resting));
    else this.#resting.delete(instance);
  }

  listResting(): Map<string, Resting> {
    return new Map(copy([...this.#resting]));
  }

  beginRun(run: StoredRun): void {
    const end = this.#runs.get(run.id)?.end ?? run.end;
    if (end) this.#ended.add(run.id);
    this.#runs.set(run.id, copy(end ? { ...run, end } : run));
    if (run.end) this.#forgetOldRuns(run.namespace, run.service);
  }

  endRun(runId: string, end: StoredExit): void {
    const run = this.#runs.get(runId);
    if (!run) return;
    if (!run.end) this.#runs.set(runId, copy({ ...run, end }));
    this.#ended.add(runId);
    this.#forgetOldRuns(run.namespace, run.service);
  }

  completeRun(runId: string, end: StoredExit): void {
    const run = this.#runs.get(runId);
    if (run?.end) this.#runs.set(runId, copy({ ...run, end }));
  }

  findRun(runId: string): StoredRun | undefined {
    const run = this.#runs.get(runId);
    return run && copy(run);
  }

  listOpenRuns(): StoredRun[] {
    return copy([...this.#runs.values()].filter((run) => run.end === undefined));
  }

  listRuns(namespace: string, service: string, limit: number): StoredRun[] {
    return copy(this.#runsOf(namespace, service).reverse().slice(0, limit));
  }

  appendEvent(event: StoredEvent): void {
    this.#events.set(event.sequence, copy(event));
  }

  readEvents(afterSequence: number, limit: number): StoredEvent[] {
    return copy(this.#eventsInOrder().filter(({ sequence }) => sequence > afterSequence)).slice(0, limit);
  }

  eventRange(): { oldest: number; newest: number } {
    const events = this.#eventsInOrder();
    return { oldest: events[0]?.sequence ?? 0, newest: events.at(-1)?.sequence ?? 0 };
  }

  flushed(): Promise<void> {
    return Promise.resolve();
  }

  flush(): void {}

  close(): void {}

  #runsOf(namespace: string, service: string): StoredRun[] {
    return [...this.#runs.values()].filter((run) => run.namespace === namespace && run.service === service);
  }

  #forgetOldRuns(namespace: string, service: string): void {
    const ofService = new Set(this.#runsOf(namespace, service).map(({ id }) => id));
    const newestFirst = [...this.#ended].filter((id) => ofService.has(id)).reverse();
    for (const id of newestFirst.slice(this.#runsKept)) this.#forget(id);
  }

  #forget(runId: string): void {
    this.#runs.delete(runId);
    this.#ended.delete(runId);
  }

  #eventsInOrder(): StoredEvent[] {
    return [...this.#events.values()].sort((a, b) => a.sequence - b.sequence);
  }
}

function byName(a: StoredService, b: StoredService): number {
  return compare(a.namespace, b.namespace) || compare(a.name, b.name);
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function copy<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}
