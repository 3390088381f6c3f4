import { isDeepStrictEqual } from "node:util";
import { displayName, instanceKey, serviceKey } from "../core/names.ts";
import { runsAlike } from "../core/plan.ts";
import { candidates } from "../core/ports.ts";
import type { ServiceSpec } from "../core/spec.ts";
import type { LaunchOrder } from "./host.ts";
import { Instance, type InstanceOrders, type InstanceParts } from "./instance.ts";
import { instanceLogPaths, type LogBases, type LogPaths } from "./log-paths.ts";
import { newRunId } from "./run-id.ts";
import type { Overrides, StoredService } from "./store.ts";
import type { ConditionView, ServiceView, StateWord } from "./view.ts";

/** Of several instances the state that most needs to be known speaks for the service. */
const byUrgency: readonly StateWord[] = ["failed", "unknown", "backoff", "stopping", "starting", "waiting", "running", "exited", "stopped"];

/** What is said replaces what was said; a number of instances that is undefined takes back the one that was. */
export interface ServiceChange {
  readonly spec?: ServiceSpec;
  readonly source?: string;
  /** Who wrote the spec, if not its source; the API when it is empty or absent. */
  readonly origin?: string;
  readonly overrides?: "none" | (Partial<Omit<Overrides, "instances">> & { readonly instances?: number | undefined });
}

/** One service: what is stored of it, and its instances. It decides nothing about processes; its instances do. */
export class SupervisedService implements InstanceOrders {
  readonly namespace: string;
  readonly name: string;
  /** In full: `default/web`. */
  readonly key: string;
  readonly #parts: InstanceParts;
  readonly #logBases: LogBases;
  #stored: StoredService;
  #logPaths: (LogPaths & { readonly of: StoredService }) | undefined;
  #instances: Instance[] = [];
  /** What is wrong with the file that defines it. */
  fileProblem: ConditionView | undefined;

  constructor(stored: StoredService, parts: InstanceParts, logBases: LogBases) {
    this.namespace = stored.namespace;
    this.name = stored.name;
    this.key = serviceKey(stored.namespace, stored.name);
    this.#stored = stored;
    this.#parts = parts;
    this.#logBases = logBases;
    this.fit();
  }

  get shownName(): string {
    return displayName(this.key);
  }

  get stored(): StoredService {
    return this.#stored;
  }

  get spec(): ServiceSpec {
    return this.#stored.spec;
  }

  get generation(): number {
    return this.#stored.generation;
  }

  get processGeneration(): number {
    return this.#stored.processGeneration;
  }

  get instances(): readonly Instance[] {
    return this.#instances;
  }

  instance(index: number): Instance | undefined {
    return this.#instances[index];
  }

  get desired(): "running" | "stopped" {
    return this.#stored.overrides.desired ?? (this.spec.autostart ? "running" : "stopped");
  }

  get instancesDesired(): number {
    return this.#stored.overrides.instances ?? this.spec.instances;
  }

  /** This instance should be running. */
  wants(index: number): boolean {
    return this.desired === "running" && index < this.instancesDesired && !this.#stored.overrides.stoppedInstances.includes(index);
  }

  /** What would be stored of it after this change; the same object when nothing would be different. */
  changed(change: ServiceChange): StoredService {
    const before = this.#stored;
    const overrides = change.overrides === "none" ? { stoppedInstances: [] } : mergeOverrides(before.overrides, change.overrides);
    const spec = change.spec && !isDeepStrictEqual(change.spec, before.spec) ? change.spec : before.spec;
    const source = change.source ?? before.source;
    if (spec === before.spec && source === before.source && isDeepStrictEqual(overrides, before.overrides)) return before;
    if (spec === before.spec) return { ...before, overrides, source };
    const generation = before.generation + 1;
    const processGeneration = runsAlike(spec.process, before.spec.process) ? before.processGeneration : generation;
    const origin = change.origin ?? "";
    return { ...before, spec, source, origin, overrides, generation, processGeneration, updatedAt: this.#parts.host.wallTime() };
  }

  /** It holds from now on, because it is stored. */
  become(stored: StoredService): void {
    this.#stored = stored;
    for (const instance of this.#instances) instance.watchHealth();
    this.fit();
  }

  /** From what one of its runs says, after the store was lost. */
  recover({ spec, source, generation, instances }: { spec: ServiceSpec; source: string; generation: number; instances: number }): void {
    const more = instances > this.instancesDesired ? { instances } : {};
    const overrides: Overrides = { ...this.#stored.overrides, ...more, desired: "running" };
    const recovered = { ...this.#stored, spec, source, generation, processGeneration: generation, overrides };
    this.#parts.store.saveServices(recovered);
    this.become(recovered);
  }

  /** Makes slots for all instances that there should be; those that are too many go when they have come to rest. */
  fit(): void {
    while (this.#instances.length < this.instancesDesired) this.ensureInstance(this.#instances.length);
  }

  /** Slots that there should not be any more, and in which nothing is left. */
  dropSpareInstances(): void {
    while (this.#instances.length > this.instancesDesired && this.#instances.at(-1)?.atRest) this.#instances.pop()?.close();
  }

  /** Adoption can find runs of instances that the spec does not have any more. */
  ensureInstance(index: number): Instance {
    for (let at = this.#instances.length; at <= index; at++) {
      this.#instances.push(new Instance(instanceKey(this.key, at), at, this.#parts, () => this));
    }
    return this.#instances[index] as Instance;
  }

  close(): void {
    for (const instance of this.#instances) instance.close();
  }

  /** Of its first instance: asked for all services whenever a new one comes. */
  get logPaths(): LogPaths {
    if (this.#logPaths?.of !== this.#stored) this.#logPaths = { of: this.#stored, ...instanceLogPaths(this.#stored, 0, this.#logBases) };
    return this.#logPaths;
  }

  launchOrder(index: number): LaunchOrder {
    const { namespace, name } = this;
    const paths = instanceLogPaths(this.#stored, index, this.#logBases);
    const instances = this.instancesDesired;
    const definition = { spec: this.spec, source: this.#stored.source };
    const { port } = this.spec.process;
    const ports = port ? candidates(port, index, () => this.#parts.portsOfOthers(this.key)) : [];
    return { runId: newRunId(), namespace, service: name, index, instances, generation: this.generation, definition, ports, ...paths };
  }

  state(): StateWord {
    const states = new Set(this.#instances.map((instance) => instance.state));
    return byUrgency.find((state) => states.has(state)) ?? "stopped";
  }

  view(): ServiceView {
    const { namespace, name, spec, overrides, generation, createdAt, updatedAt, source } = this.#stored;
    const instances = this.#instances.map((instance) => instance.view());
    return {
      namespace,
      name,
      spec,
      overrides,
      generation,
      createdAt,
      updatedAt,
      source,
      desired: this.desired,
      state: this.state(),
      instancesDesired: this.instancesDesired,
      instancesReady: instances.filter(({ ready }) => ready).length,
      instances,
      conditions: [...summed(instances.flatMap(({ conditions }) => conditions)), ...(this.fileProblem ? [this.fileProblem] : [])],
    };
  }
}

function mergeOverrides(before: Overrides, change: Exclude<ServiceChange["overrides"], "none">): Overrides {
  const { instances, ...rest } = { ...before, ...change };
  return { ...rest, ...(instances !== undefined && { instances }) };
}

/** Each kind once, with the instance that has had it longest. */
function summed(conditions: readonly ConditionView[]): ConditionView[] {
  const byType = new Map<string, ConditionView>();
  for (const condition of conditions) {
    const known = byType.get(condition.type);
    if (!known || condition.since < known.since) byType.set(condition.type, condition);
  }
  return [...byType.values()];
}
