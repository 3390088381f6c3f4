import { isDeepStrictEqual } from "node:util";
import { parseName, serviceKey } from "../core/names.ts";
import { commandArgv, type ServiceSpec } from "../core/spec.ts";
import {
  generationMismatch,
  limitReached,
  noReloadMethod,
  PmError,
  pathInUse,
  serviceExists,
  serviceNotFound,
  shuttingDown,
  spawnFailed,
  wrongState,
} from "../errors.ts";
import { adoptRuns } from "./adopt-runs.ts";
import { ChangeFeed } from "./change-feed.ts";
import { EventLog } from "./event-log.ts";
import type { Host } from "./host.ts";
import type { Instance, InstanceParts, MeasuredRun } from "./instance.ts";
import { instanceLogPaths, instanceLogSources, type LogSource } from "./log-paths.ts";
import { type Goal, reachGoal, targetView, type Wait } from "./outcome.ts";
import { everything, isSelected, type Selector, select, selectForRead, type Target } from "./selection.ts";
import { StartGate } from "./start-gate.ts";
import type { Store, StoredRun, StoredService } from "./store.ts";
import { SupervisedService } from "./supervised-service.ts";
import type { ServiceView, TargetView } from "./view.ts";

const maxServices = 10_000;
/** How long a repeated request id is known. */
const requestMemoryMs = 600_000;
const reloadTimeoutMs = 60_000;

export interface SupervisorParts {
  readonly host: Host;
  readonly store: Store;
  readonly logDir: string;
  readonly log: (message: string, details: object) => void;
  readonly peakMemoryBytes: InstanceParts["peakMemoryBytes"];
  readonly lastLines: InstanceParts["lastLines"];
}

export interface NewService {
  readonly namespace: string;
  readonly name: string;
  readonly spec: ServiceSpec;
  readonly source?: string;
}

/** All services: names to instances, and the verbs. Intent is stored before anything is done about it. */
export class Supervisor {
  readonly events: EventLog;
  readonly changes = new ChangeFeed();
  readonly #parts: SupervisorParts;
  readonly #instanceParts: InstanceParts;
  readonly #services = new Map<string, SupervisedService>();
  readonly #requests = new Map<string, Promise<TargetView[]>>();
  #closing = false;
  #adopted = 0;

  constructor(parts: SupervisorParts) {
    const { host, store } = parts;
    this.#parts = parts;
    this.events = new EventLog(store, () => host.wallTime());
    const gate = new StartGate<Instance>((instance) => instance.dispatch({ type: "clear" }));
    const changed = (instance: Instance) => this.#instanceChanged(instance);
    this.#instanceParts = { ...parts, events: this.events, gate, changed };
  }

  /** Loads what is stored, takes over what runs, and starts what should run and does not. */
  open(): void {
    for (const stored of this.#parts.store.listServices()) this.#add(stored);
    this.#adopted = adoptRuns({ ...this.#parts, services: this.#services, events: this.events });
    for (const service of this.#services.values()) this.#settle(service);
  }

  /** Nothing is started or told any more; what runs goes on running. */
  close(): void {
    this.#closing = true;
    for (const service of this.#services.values()) service.close();
  }

  get adopted(): number {
    return this.#adopted;
  }

  list(selector?: Selector): ServiceView[] {
    return unique(selectForRead(selector, this.#sorted())).map((service) => service.view());
  }

  /** What a read selects: services, and of some of them only certain instances. */
  targets(selector?: Selector): Target[] {
    return selectForRead(selector, this.#sorted());
  }

  logSources(selector?: Selector): LogSource[] {
    return this.#logSourcesOf(this.targets(selector));
  }

  /** As `logSources`, but an empty selector is refused. */
  logSourcesForVerb(selector: Selector): LogSource[] {
    return this.#logSourcesOf(this.#select(selector));
  }

  get(name: string): ServiceView {
    return this.#get(name).view();
  }

  /** The service of this full name, if the selector selects it. */
  find(key: string, selector?: Selector): ServiceView | undefined {
    const service = this.#services.get(key);
    return service && (!selector || isSelected(selector, service)) ? service.view() : undefined;
  }

  /** Of a service: all its instances can do their work. Undefined when there is none of this name. */
  isReady(name: string): boolean | undefined {
    const at = name.lastIndexOf("#");
    if (at > 0) return this.#services.get(name.slice(0, at))?.instance(Number(name.slice(at + 1)))?.ready;
    const service = this.#services.get(name);
    return service && service.instances.length > 0 && service.instances.every(({ ready }) => ready);
  }

  /** Runs that have a process, for whoever measures them. */
  measured(): MeasuredRun[] {
    return [...this.#services.values()].flatMap(({ instances }) => instances).flatMap((instance) => instance.measured ?? []);
  }

  runs(name: string, limit: number): StoredRun[] {
    const { namespace, name: service } = this.#get(name);
    return this.#parts.store.listRuns(namespace, service, limit);
  }

  async create(wanted: NewService, wait: Wait, signal: AbortSignal): Promise<{ service: ServiceView; results: TargetView[] }> {
    this.checkNew(wanted);
    const at = this.#parts.host.wallTime();
    const overrides = { stoppedInstances: [] };
    const stored: StoredService = {
      source: "",
      ...wanted,
      overrides,
      generation: 1,
      processGeneration: 1,
      createdAt: at,
      updatedAt: at,
    };
    this.#parts.store.saveService(stored);
    const service = this.#add(stored);
    this.events.append({ type: "service_created", subject: service.key, message: `${service.shownName} was created` });
    this.#settle(service);
    this.changes.changed(service.key);
    const results = service.desired === "running" ? await this.#outcomes([{ service }], { verb: "start" }, wait, signal) : [];
    return { service: service.view(), results };
  }

  /** Throws what `create` would refuse. */
  checkNew(wanted: NewService): void {
    this.#checkOpen();
    const key = serviceKey(wanted.namespace, wanted.name);
    if (this.#services.has(key)) throw serviceExists(key);
    if (this.#services.size >= maxServices) throw limitReached("services", maxServices);
    this.#checkSpec(wanted);
  }

  async update(
    name: string,
    spec: ServiceSpec,
    how: { expectedGeneration?: number; leaveRunning: boolean; source?: string },
    wait: Wait,
    signal: AbortSignal,
  ): Promise<{ service: ServiceView; results: TargetView[] }> {
    const service = this.checkUpdate(name, spec, how.expectedGeneration);
    const before = service.generation;
    service.save({ spec, ...(how.source !== undefined && { source: how.source }) });
    if (service.generation !== before) {
      this.events.append({ type: "service_updated", subject: service.key, message: `${service.shownName} is at generation ${service.generation}` });
    }
    const stale = service.instances.filter((instance) => instance.stale);
    this.#settle(service);
    this.changes.changed(service.key);
    if (how.leaveRunning) return { service: service.view(), results: [] };
    const targets = stale.filter(({ index }) => service.wants(index)).map(({ index }) => ({ service, index }));
    const results = await this.#restartTargets(targets, wait, signal);
    return { service: service.view(), results };
  }

  checkUpdate(name: string, spec: ServiceSpec, expectedGeneration?: number): SupervisedService {
    this.#checkOpen();
    const service = this.#get(name);
    if (expectedGeneration !== undefined && service.generation !== expectedGeneration) {
      throw generationMismatch(service.shownName, expectedGeneration, service.generation);
    }
    if (!isDeepStrictEqual(spec, service.spec)) this.#checkSpec({ namespace: service.namespace, name: service.name, spec });
    return service;
  }

  async start(selector: Selector, wait: Wait, signal: AbortSignal): Promise<TargetView[]> {
    const targets = this.#select(selector);
    for (const target of targets) {
      this.#saveDesired(target, "running");
      this.#tellIntent(target, "start");
    }
    const unchanged = targets.filter((target) => wantedOf(target).every(({ ready }) => ready));
    for (const target of targets) this.#dispatch(target, "start");
    const started = await this.#outcomes(without(targets, unchanged), { verb: "start" }, wait, signal);
    return [...unchanged.map((target) => targetView(nameOf(target), instancesOf(target), { outcome: "unchanged" })), ...started];
  }

  async stop(selector: Selector, how: { graceMs?: number }, wait: Wait, signal: AbortSignal): Promise<TargetView[]> {
    const targets = this.#select(selector);
    const unchanged = targets.filter((target) => instancesOf(target).every(({ atRest }) => atRest));
    for (const target of targets) {
      this.#saveDesired(target, "stopped");
      this.#tellIntent(target, "stop");
    }
    for (const target of targets) {
      for (const instance of instancesOf(target)) {
        instance.dispatch({ type: "stop", ...(how.graceMs !== undefined && { graceMs: how.graceMs }) });
      }
    }
    const stopped = await this.#outcomes(without(targets, unchanged), { verb: "stop" }, withGrace(wait, targets, how.graceMs), signal);
    return [...unchanged.map((target) => targetView(nameOf(target), instancesOf(target), { outcome: "unchanged" })), ...stopped];
  }

  /** The same request id within ten minutes is the same call. */
  restart(selector: Selector, requestId: string, wait: Wait, signal: AbortSignal): Promise<TargetView[]> {
    const known = requestId === "" ? undefined : this.#requests.get(requestId);
    if (known !== undefined) return known;
    const targets = this.#select(selector);
    for (const target of targets) {
      this.#saveDesired(target, "running");
      this.#tellIntent(target, "restart");
    }
    const results = this.#restartTargets(targets, wait, signal);
    if (requestId !== "") {
      this.#requests.set(requestId, results);
      this.#parts.host.after(requestMemoryMs, () => this.#requests.delete(requestId));
    }
    return results;
  }

  async scale(
    name: string,
    instances: number | undefined,
    wait: Wait,
    signal: AbortSignal,
  ): Promise<{ service: ServiceView; results: TargetView[] }> {
    this.#checkOpen();
    const service = this.#get(name);
    const { instances: _, ...overrides } = service.stored.overrides;
    const from = service.instancesDesired;
    service.save({ overrides: { ...overrides, instances } as StoredService["overrides"] });
    const to = String(service.instancesDesired);
    const message = `${service.shownName} shall have ${to} instances`;
    this.events.append({ type: "intent_changed", subject: service.key, message, attributes: { verb: "scale", from: String(from), to } });
    const spare = service.instances.slice(service.instancesDesired);
    const fresh = service.instances.filter(({ model, index }) => model.state.phase === "stopped" && service.wants(index));
    this.#settle(service);
    this.changes.changed(service.key);
    const goals = [
      ...spare.map((instance) => this.#outcome(service, instance, { verb: "stop" }, withGrace(wait, [{ service }]), signal)),
      ...fresh.map((instance) => this.#outcome(service, instance, { verb: "start" }, wait, signal)),
    ];
    return { results: await Promise.all(goals), service: service.view() };
  }

  async reload(selector: Selector): Promise<TargetView[]> {
    return this.#each(this.#select(selector), async (service, instance) => {
      const { reload, process } = service.spec;
      if (!reload) throw noReloadMethod(service.shownName);
      const run = instance.run;
      if (!run || !instance.ready) throw wrongState(service.shownName, instance.state, "cannot reload");
      if ("signal" in reload) run.signal(reload.signal, "main");
      else {
        const code = await run.runHelper(commandArgv(reload.command), process, reloadTimeoutMs);
        if (code !== 0) throw new PmError("WRONG_STATE", `cannot reload ${service.shownName}: its reload command exited with code ${code}`);
      }
      this.events.append({ type: "reloaded", subject: instance.name, runId: run.id, message: `${service.shownName} was told to reload` });
    });
  }

  async signal(selector: Selector, signal: string, to: "main" | "group"): Promise<TargetView[]> {
    return this.#each(this.#select(selector), async (service, instance) => {
      const { run } = instance;
      if (!run) throw wrongState(service.shownName, instance.state, `cannot send ${signal} to`);
      try {
        run.signal(signal, to);
      } catch (error) {
        throw new PmError("WRONG_STATE", `cannot send ${signal} to ${service.shownName}: ${(error as Error).message}`, { cause: error });
      }
      const message = `${signal} was sent to ${service.shownName}`;
      this.events.append({ type: "signalled", subject: instance.name, runId: run.id, message, attributes: { signal } });
    });
  }

  /** Forgets a service only when nothing of it is left. */
  async delete(selector: Selector, how: { graceMs?: number; validateOnly: boolean }, wait: Wait, signal: AbortSignal): Promise<TargetView[]> {
    const targets = this.#select(selector).map(({ service }) => ({ service }));
    if (how.validateOnly) return targets.map((target) => targetView(nameOf(target), instancesOf(target), { outcome: "accepted" }));
    const stopped = await this.stop(
      { ...everything, all: false, names: targets.map(({ service }) => service.key) },
      how,
      { ...wait, level: "ready" },
      signal,
    );
    return stopped.map((result) => {
      const service = this.#services.get(result.name);
      if (result.outcome === "failed" || !service) return result;
      this.#parts.store.deleteService(service.namespace, service.name);
      service.close();
      this.#services.delete(service.key);
      this.events.append({ type: "service_deleted", subject: service.key, message: `${service.shownName} was deleted` });
      this.changes.changed(service.key);
      return { ...result, outcome: "done" };
    });
  }

  /** Stops everything, and accepts no new work from here on; the intent that is stored stays as it is. */
  async stopAll(timeoutMs: number, signal: AbortSignal): Promise<TargetView[]> {
    this.#closing = true;
    const targets = this.#sorted().map((service) => ({ service }));
    for (const target of targets) this.#dispatch(target, "stop");
    const results = await this.#outcomes(targets, { verb: "stop" }, { level: "ready", timeoutMs }, signal);
    this.#closing = results.every(({ outcome }) => outcome !== "failed");
    return results;
  }

  /** Makes the instances of a service be what they should be; decides anew each time, and so may be called at any time. */
  #settle(service: SupervisedService): void {
    service.fit();
    for (const instance of service.instances) {
      if (!service.wants(instance.index)) instance.dispatch({ type: "stop" });
      else if (instance.model.state.phase === "stopped") instance.dispatch({ type: "start" });
    }
    service.dropSpareInstances();
  }

  #instanceChanged(instance: Instance): void {
    const key = instance.name.slice(0, instance.name.lastIndexOf("#"));
    const service = this.#services.get(key);
    if (!service) return;
    if (instance.atRest) service.dropSpareInstances();
    this.changes.changed(key);
  }

  #add(stored: StoredService): SupervisedService {
    const service = new SupervisedService(stored, this.#instanceParts, this.#parts.logDir);
    this.#services.set(service.key, service);
    return service;
  }

  #get(text: string): SupervisedService {
    const parsed = parseName(text);
    const service = parsed && parsed.index === undefined ? this.#services.get(serviceKey(parsed.namespace, parsed.name)) : undefined;
    if (service) return service;
    const [target] = select({ ...everything, all: false, namespace: "", names: [text] }, this.#sorted());
    if (!target || target.index !== undefined) throw serviceNotFound(text);
    return target.service;
  }

  #select(selector: Selector): Target[] {
    this.#checkOpen();
    return select(selector, this.#sorted());
  }

  #sorted(): SupervisedService[] {
    return [...this.#services.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  #logSourcesOf(targets: readonly Target[]): LogSource[] {
    return targets.flatMap((target) =>
      instancesOf(target).flatMap(({ index }) => instanceLogSources(target.service.stored, index, this.#parts.logDir)),
    );
  }

  #checkOpen(): void {
    if (this.#closing) throw shuttingDown();
  }

  #checkSpec(wanted: NewService): void {
    const { stdoutPath, stderrPath } = instanceLogPaths(wanted, 0, this.#parts.logDir);
    const key = serviceKey(wanted.namespace, wanted.name);
    if (stdoutPath === stderrPath) throw pathInUse(stdoutPath, "its own stdout");
    for (const service of this.#services.values()) {
      if (service.key === key) continue;
      const other = instanceLogPaths(service, 0, this.#parts.logDir);
      const shared = [stdoutPath, stderrPath].find((path) => path === other.stdoutPath || path === other.stderrPath);
      if (shared) throw pathInUse(shared, service.shownName);
    }
    if (!wanted.spec.autostart) return;
    const obstacle = this.#parts.host.findObstacle(wanted.spec.process);
    if (obstacle) throw spawnFailed(wanted.name, obstacle);
  }

  #saveDesired({ service, index }: Target, desired: "running" | "stopped"): void {
    if (index === undefined) return service.save({ overrides: { desired, stoppedInstances: [] } });
    const others = service.stored.overrides.stoppedInstances.filter((other) => other !== index);
    if (desired === "stopped") return service.save({ overrides: { stoppedInstances: [...others, index].sort((a, b) => a - b) } });
    // Of a service that is stopped only this instance is to run: the others stay stopped, one by one.
    const siblings = service.instances.map((instance) => instance.index).filter((other) => other !== index);
    const stoppedInstances = service.desired === "running" ? others : siblings;
    service.save({ overrides: { desired, stoppedInstances } });
  }

  #tellIntent(target: Target, verb: string): void {
    const { service, index } = target;
    const shown = index === undefined ? service.shownName : `${service.shownName}#${index}`;
    this.events.append({ type: "intent_changed", subject: nameOf(target), message: `${shown}: ${verb} was asked for`, attributes: { verb } });
    this.changes.changed(service.key);
  }

  #dispatch(target: Target, type: "start" | "stop" | "restart"): void {
    for (const instance of type === "stop" ? instancesOf(target) : wantedOf(target)) instance.dispatch({ type });
  }

  #restartTargets(targets: readonly Target[], wait: Wait, signal: AbortSignal): Promise<TargetView[]> {
    const waits = targets.map((target) => {
      const goals = wantedOf(target).map((instance): [Instance, Goal] => [instance, { verb: "restart", oldRun: instance.run?.id }]);
      this.#dispatch(target, "restart");
      return this.#outcomeOf(target, goals, withGrace(wait, [target]), signal);
    });
    return Promise.all(waits);
  }

  #outcomes(targets: readonly Target[], goal: Goal, wait: Wait, signal: AbortSignal): Promise<TargetView[]> {
    return Promise.all(
      targets.map((target) =>
        this.#outcomeOf(
          target,
          (goal.verb === "stop" ? instancesOf(target) : wantedOf(target)).map((instance) => [instance, goal]),
          wait,
          signal,
        ),
      ),
    );
  }

  async #outcomeOf(target: Target, goals: readonly [Instance, Goal][], wait: Wait, signal: AbortSignal): Promise<TargetView> {
    const errors = await Promise.all(goals.map(([instance, goal]) => reachGoal(instance, goal, wait, signal)));
    const error = errors.find((found) => found !== undefined);
    const instances = instancesOf(target);
    return targetView(nameOf(target), instances, { error, outcome: wait.level === "accepted" ? "accepted" : "done" });
  }

  #outcome(service: SupervisedService, instance: Instance, goal: Goal, wait: Wait, signal: AbortSignal): Promise<TargetView> {
    return this.#outcomeOf({ service, index: instance.index }, [[instance, goal]], wait, signal);
  }

  async #each(targets: readonly Target[], act: (service: SupervisedService, instance: Instance) => Promise<void>): Promise<TargetView[]> {
    return Promise.all(
      targets.map(async (target) => {
        const instances = instancesOf(target);
        const results = await Promise.allSettled(instances.map((instance) => act(target.service, instance)));
        const error = results.find((result) => result.status === "rejected")?.reason as PmError | undefined;
        return targetView(nameOf(target), instances, { error, outcome: "done" });
      }),
    );
  }
}

function instancesOf({ service, index }: Target): Instance[] {
  if (index === undefined) return [...service.instances];
  const instance = service.instance(index);
  return instance ? [instance] : [];
}

/** Those that should run: a slot that is on its way out is not started again. */
function wantedOf(target: Target): Instance[] {
  return instancesOf(target).filter(({ index }) => target.service.wants(index));
}

function nameOf({ service, index }: Target): string {
  return index === undefined ? service.key : `${service.key}#${index}`;
}

function without(targets: readonly Target[], others: readonly Target[]): Target[] {
  return targets.filter((target) => !others.includes(target));
}

function unique(targets: readonly Target[]): SupervisedService[] {
  return [...new Set(targets.map(({ service }) => service))];
}

/** What has to stop may take its grace period, and then some, before the wait is over. */
function withGrace(wait: Wait, targets: readonly Target[], graceMs?: number): Wait {
  if (wait.timeoutMs !== undefined) return wait;
  const graces = targets.map(({ service }) => graceMs ?? service.spec.process.stop.graceMs);
  return { ...wait, timeoutMs: 90_000 + Math.max(0, ...graces) };
}
