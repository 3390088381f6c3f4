import { parseName, serviceKey, serviceOf } from "../core/names.ts";
import { fixedPorts } from "../core/ports.ts";
import type { ServiceSpec } from "../core/spec.ts";
import { allOf, definedElsewhere, invalidFields, limitReached, type PmError, serviceExists, serviceNotFound, spawnFailed } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import { adoptRuns } from "./adopt-runs.ts";
import { ChangeFeed } from "./change-feed.ts";
import type { Departure } from "./departures.ts";
import { Dependencies } from "./dependencies.ts";
import { EventLog } from "./event-log.ts";
import { type ExplanationView, explain } from "./explain.ts";
import type { Host } from "./host.ts";
import type { Instance, InstanceParts, MeasuredRun } from "./instance.ts";
import { hintPaths, instanceLogSources, type LogBases, type LogHint, type LogSource } from "./log-paths.ts";
import { findPathConflicts } from "./path-conflicts.ts";
import { findPortConflicts } from "./port-conflicts.ts";
import type { Prober } from "./prober.ts";
import { everything, instancesOf, isSelected, type Selector, select, selectForRead, type Target } from "./selection.ts";
import { StartGate } from "./start-gate.ts";
import type { Store, StoredRevision, StoredRun, StoredService } from "./store.ts";
import { type ServiceChange, SupervisedService } from "./supervised-service.ts";
import type { ServiceView } from "./view.ts";

const maxServices = 10_000;
/** More than are kept of a service. */
const mostRuns = 10_000;

export interface SupervisorParts extends LogBases {
  readonly host: Host;
  readonly store: Store;
  readonly prober: Prober;
  readonly log: (message: string, details: object) => void;
  readonly peakMemoryBytes: InstanceParts["peakMemoryBytes"];
  readonly lastLines: InstanceParts["lastLines"];
  /** The store was lost, and is empty for that reason: what runs says what there was. */
  readonly storeLost?: boolean;
}

export interface NewService {
  readonly namespace: string;
  readonly name: string;
  readonly spec: ServiceSpec;
}

export interface DefinedService extends NewService {
  /** The file that defines it; empty when it came over the API. */
  readonly source: string;
}

/** All services: what is stored of them, what is read of them, and what their instances should be. */
export class Services {
  readonly events: EventLog;
  readonly changes = new ChangeFeed();
  readonly dependencies: Dependencies;
  readonly #parts: SupervisorParts;
  readonly #instanceParts: InstanceParts;
  readonly #byKey = new Map<string, SupervisedService>();
  #adopted = 0;

  constructor(parts: SupervisorParts) {
    const { host, store } = parts;
    this.#parts = parts;
    this.events = new EventLog(store, () => host.wallTime());
    const gate = new StartGate<Instance>((instance) => instance.dispatch({ type: "clear" }));
    const changed = (instance: Instance) => this.#instanceChanged(instance);
    const portsOfOthers = (key: string) =>
      new Set([...this.#byKey.values()].flatMap((service) => (service.key === key ? [] : fixedPorts(service.spec.process.port))));
    this.dependencies = new Dependencies(this.#byKey);
    this.#instanceParts = { ...parts, events: this.events, gate, dependencies: this.dependencies, changed, portsOfOthers };
  }

  /**
   * Loads what is stored and what a file defines, takes over what runs, and starts what should run and does not. What runs from an older
   * definition runs on, and is called stale: that pmd is started again is no reason to restart a service.
   */
  open(defined: readonly DefinedService[] = []): void {
    for (const stored of this.#parts.store.listServices()) this.#add(stored);
    if (this.#parts.storeLost) this.#recover();
    this.#takeFile(defined);
    this.#adopted = adoptRuns({ ...this.#parts, services: this.#byKey, events: this.events });
    this.dependencies.open();
    this.#startAlong();
    for (const service of this.#byKey.values()) this.settle(service);
  }

  /** Nothing is started or told any more; what runs goes on running. */
  close(): void {
    for (const service of this.#byKey.values()) service.close();
  }

  /** How many runs were found when it was opened. */
  get adopted(): number {
    return this.#adopted;
  }

  /** By namespace and name. */
  sorted(): SupervisedService[] {
    return [...this.#byKey.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  list(selector?: Selector): ServiceView[] {
    const services = new Set(this.targets(selector).map(({ service }) => service));
    return [...services].map((service) => service.view());
  }

  /** What a read selects: services, and of some of them only certain instances. */
  targets(selector?: Selector): Target[] {
    return selectForRead(selector, this.sorted());
  }

  /** The one of this name, `web` or `prod/web`. */
  get(text: string): SupervisedService {
    const parsed = parseName(text);
    const service = parsed && parsed.index === undefined ? this.#byKey.get(serviceKey(parsed.namespace, parsed.name)) : undefined;
    if (service) return service;
    const [target] = select({ ...everything, all: false, namespace: "", names: [text] }, this.sorted());
    if (!target || target.index !== undefined) throw serviceNotFound(text);
    return target.service;
  }

  /** The one of this full name, if the selector selects it. */
  find(key: string, selector?: Selector): SupervisedService | undefined {
    const service = this.#byKey.get(key);
    return service && (!selector || isSelected(selector, service)) ? service : undefined;
  }

  /** Of a service: all its instances can do their work. Undefined when there is none of this name. */
  isReady(name: string): boolean | undefined {
    if (name.includes("#")) return this.#instance(name)?.ready;
    const service = this.#byKey.get(name);
    return service && service.instances.length > 0 && service.instances.every(({ ready }) => ready);
  }

  /** Runs that have a process, for whoever measures them. */
  measured(): MeasuredRun[] {
    return [...this.#byKey.values()].flatMap(({ instances }) => instances).flatMap((instance) => instance.measured ?? []);
  }

  /** What the processes of each run use together: some services have a limit to it. */
  seeMemory(usages: readonly { readonly instance: string; readonly runId: string; readonly memoryBytes: number }[]): void {
    for (const { instance, runId, memoryBytes } of usages) this.#instance(instance)?.seeMemory(runId, memoryBytes);
  }

  /** Why it is as it is, from the service to where that begins. */
  explain(name: string): ExplanationView[] {
    return explain(this.get(name).key, (key) => this.#byKey.get(key));
  }

  /** By its full name. */
  #instance(name: string): Instance | undefined {
    const key = serviceOf(name);
    return this.#byKey.get(key)?.instance(Number(name.slice(key.length + 1)));
  }

  /** Newest first. */
  runs(name: string, limit: number): StoredRun[] {
    const service = this.get(name);
    return this.#parts.store.listRuns(service.namespace, service.name, limit);
  }

  /** Of each instance the run so many before its newest; those that had fewer are left out. */
  earlierRuns(targets: readonly Target[], back: number): StoredRun[] {
    return targets.flatMap((target) => {
      const runs = this.#parts.store.listRuns(target.service.namespace, target.service.name, mostRuns);
      return instancesOf(target).flatMap(({ index }) => runs.filter((run) => run.index === index)[back] ?? []);
    });
  }

  logSources(targets: readonly Target[]): LogSource[] {
    return targets.flatMap((target) => instancesOf(target).flatMap(({ index }) => instanceLogSources(target.service.stored, index, this.#parts)));
  }

  /** Each once, whichever of the instances are selected. */
  logHints(targets: readonly Target[]): LogHint[] {
    const selected = new Set(targets.map(({ service }) => service));
    return [...selected].flatMap(({ key, stored }) => hintPaths(stored, this.#parts).map((path) => ({ service: key, path })));
  }

  /** Throws what stands in the way of a new service. */
  checkNew(wanted: NewService): void {
    const key = serviceKey(wanted.namespace, wanted.name);
    if (this.#byKey.has(key)) throw serviceExists(key);
    this.#checkRoom(1);
    this.checkSpecs([wanted]);
  }

  /** Throws all that stands in the way of services that shall be so, together with all the others as they are. */
  checkSpecs(wanted: readonly NewService[]): void {
    const violations = this.dependencies.findViolations(wanted);
    const errors = [...(violations.length > 0 ? [invalidFields(violations)] : []), ...this.#findConflicts(wanted), ...this.#findObstacles(wanted)];
    const [first, ...others] = errors;
    if (first) throw allOf([first, ...others]);
  }

  create(wanted: DefinedService): SupervisedService {
    const stored = this.#newlyStored(wanted);
    this.#parts.store.saveServices(stored);
    failpoint("create.stored");
    return this.#addNew(stored);
  }

  /** New services and changes of others, all of it durable before it returns, or nothing. */
  define(created: readonly DefinedService[], changes: readonly (readonly [SupervisedService, ServiceChange])[]): SupervisedService[] {
    this.#checkRoom(created.length);
    const fresh = created.map((wanted) => this.#newlyStored(wanted));
    this.#save(changes, fresh);
    return fresh.map((stored) => this.#addNew(stored));
  }

  /** The specs that a service has had, the newest first. */
  revisions(name: string): StoredRevision[] {
    const service = this.get(name);
    return this.#parts.store.listRevisions(service.namespace, service.name);
  }

  /** Says of all that a file defines that it is not valid now, or, without a message, that it is. */
  tellFileProblem(source: string, message: string | undefined): void {
    const since = this.#parts.host.wallTime();
    for (const service of this.#byKey.values()) {
      if (service.stored.source !== source || (!message && !service.fileProblem)) continue;
      service.fileProblem = message === undefined ? undefined : { type: "file_invalid", message, since: service.fileProblem?.since ?? since };
      this.changes.changed(service.key);
    }
  }

  /** Durable, all of it, before it returns; then it holds. */
  change(changes: readonly (readonly [SupervisedService, ServiceChange])[]): void {
    this.#save(changes, []);
  }

  #save(changes: readonly (readonly [SupervisedService, ServiceChange])[], fresh: readonly StoredService[]): void {
    const next = changes
      .map(([service, change]) => [service, service.changed(change)] as const)
      .filter(([service, stored]) => stored !== service.stored);
    if (next.length === 0 && fresh.length === 0) return;
    const onlyOverrides = fresh.length === 0 && next.every(([service, stored]) => stored.spec === service.spec);
    this.#parts.store[onlyOverrides ? "saveOverrides" : "saveServices"](...next.map(([, stored]) => stored), ...fresh);
    failpoint("intent.stored");
    for (const [service, stored] of next) {
      const before = service.generation;
      service.become(stored);
      this.dependencies.specChanged(service);
      if (service.generation !== before) this.#tellUpdated(service);
    }
  }

  /** Nothing of it may be left. */
  forget(service: SupervisedService): void {
    this.#parts.store.deleteService(service.namespace, service.name);
    failpoint("delete.stored");
    service.close();
    this.#byKey.delete(service.key);
    this.dependencies.forget(service);
    this.events.append({ type: "service_deleted", subject: service.key, message: `${service.shownName} was deleted` });
    this.changes.changed(service.key);
  }

  /** Makes the instances of a service be what they should be; decides anew each time, and so may be called at any time. */
  settle(service: SupervisedService): void {
    service.fit();
    this.tell(
      service.instances.filter(({ index }) => !service.wants(index)),
      { type: "stop" },
    );
    this.tell(
      service.instances.filter(({ index, model }) => service.wants(index) && model.state.phase === "stopped"),
      { type: "start" },
    );
    for (const instance of service.instances) instance.reconsider();
    service.dropSpareInstances();
    this.changed(service);
  }

  /** Tells instances to start or to end. What is to end goes after those that depend on it, and takes along those that cannot do without it. */
  tell(instances: readonly Instance[], event: { readonly type: "start" } | Departure): void {
    if (event.type !== "start") {
      if (instances.length > 0) this.dependencies.depart(instances, event);
      return;
    }
    for (const instance of instances) {
      this.dependencies.cancelStop(instance);
      instance.dispatch(event);
    }
  }

  /** Something about it is different, for those who watch and those who depend on it. */
  changed(service: SupervisedService): void {
    this.dependencies.changed(service);
    this.changes.changed(service.key);
  }

  /** What is not started with pmd is all the same, where something that is cannot do without it; an operator's word stands. */
  #startAlong(): void {
    const wanted = [...this.#byKey.values()].filter(({ desired }) => desired === "running");
    const down = this.dependencies.downBelow(wanted.map(({ key }) => key));
    const unsaid = down.filter(({ desired, stored }) => desired === "stopped" && stored.overrides.desired === undefined);
    this.change(unsaid.map((service) => [service, { overrides: { desired: "running" } }]));
  }

  /** Of a service that has a run, the newest run says what it was; what had none is lost with the store. */
  #recover(): void {
    const oldestFirst = this.#parts.host.findRuns().sort((a, b) => a.startedAt - b.startedAt);
    for (const { order } of oldestFirst) {
      const { namespace, service: name, index, definition, generation } = order;
      const service = this.#byKey.get(serviceKey(namespace, name)) ?? this.create({ namespace, name, ...definition });
      service.recover({ ...definition, generation, instances: index + 1 });
      this.dependencies.specChanged(service);
    }
  }

  /** What a file says of a service replaces what it or another file said before; what was made over the API is not a file's to change. */
  #takeFile(defined: readonly DefinedService[]): void {
    const created: DefinedService[] = [];
    const changes: [SupervisedService, ServiceChange][] = [];
    for (const { spec, source, ...wanted } of defined) {
      const service = this.#byKey.get(serviceKey(wanted.namespace, wanted.name));
      if (service?.stored.source === "") throw definedElsewhere(service.shownName, source);
      if (service) changes.push([service, { spec, source, origin: source }]);
      else created.push({ ...wanted, spec, source });
    }
    const [conflict] = this.#findConflicts(defined);
    if (conflict) throw conflict;
    this.define(created, changes);
  }

  #checkRoom(more: number): void {
    if (this.#byKey.size + more > maxServices) throw limitReached("services", maxServices);
  }

  #findObstacles(wanted: readonly NewService[]): PmError[] {
    return wanted.flatMap(({ name, spec }) => {
      const obstacle = spec.autostart ? this.#parts.host.findObstacle(spec.process) : undefined;
      return obstacle ? [spawnFailed(name, obstacle)] : [];
    });
  }

  #newlyStored({ namespace, name, spec, source }: DefinedService): StoredService {
    const at = this.#parts.host.wallTime();
    const overrides = { stoppedInstances: [] };
    return { namespace, name, spec, source, overrides, generation: 1, processGeneration: 1, createdAt: at, updatedAt: at };
  }

  #addNew(stored: StoredService): SupervisedService {
    const service = this.#add(stored);
    this.events.append({ type: "service_created", subject: service.key, message: `${service.shownName} was created` });
    return service;
  }

  #tellUpdated(service: SupervisedService): void {
    const message = `${service.shownName} is at generation ${service.generation}`;
    this.events.append({ type: "service_updated", subject: service.key, message });
  }

  #add(stored: StoredService): SupervisedService {
    const service = new SupervisedService(stored, this.#instanceParts, this.#parts);
    this.#byKey.set(service.key, service);
    this.dependencies.specChanged(service);
    return service;
  }

  #instanceChanged(instance: Instance): void {
    const service = this.#byKey.get(serviceOf(instance.name));
    if (!service) return;
    if (instance.atRest) service.dropSpareInstances();
    this.changed(service);
  }

  #findConflicts(wanted: readonly NewService[]): PmError[] {
    return [...findPathConflicts(wanted, this.#byKey.values(), this.#parts), ...findPortConflicts(wanted, this.#byKey.values())];
  }
}
