import {
  canBeLost,
  type DependencyFacts,
  dependenciesFirst,
  type Edge,
  edgeField,
  edgesOf,
  findGraphFaults,
  type Graph,
  go,
  leavingWith,
  mayStart,
  reversed,
  type Standing,
  standingOf,
  startedAlong,
  type Verdict,
} from "../core/dependencies.ts";
import { serviceKey, serviceOf } from "../core/names.ts";
import type { ServiceSpec } from "../core/spec.ts";
import type { Violation } from "../errors.ts";
import { type Departure, Departures } from "./departures.ts";
import type { Instance } from "./instance.ts";
import type { StoredService } from "./store.ts";
import type { SupervisedService } from "./supervised-service.ts";

/** A service as it shall be. */
type WantedSpec = Pick<StoredService, "namespace" | "name" | "spec">;

/** The kernel tells ages in hundredths of a second; what differs by less than this may have started in either order. */
const ageGrainMs = 100;

/** Which services need which, by their full names, and what follows when one of them changes. */
export class Dependencies {
  readonly #services: ReadonlyMap<string, SupervisedService>;
  readonly #departures = new Departures((instance) => this.#dependentInstances(serviceOf(instance.name)));
  /** Services of which an instance was up when they were looked at last. */
  readonly #up = new Set<string>();
  /** Of services that need any. */
  readonly #needs = new Map<string, readonly Edge[]>();
  #reversed: Graph | undefined;

  constructor(services: ReadonlyMap<string, SupervisedService>) {
    this.#services = services;
  }

  /** What runs without what it needs, because that ended while no pmd was there, ends too. */
  open(): void {
    for (const service of this.#services.values()) if (isUp(service)) this.#up.add(service.key);
    for (const { key } of this.#services.values()) if (!this.#up.has(key)) this.#lose(key);
  }

  /** A service has come, or says something else. */
  specChanged({ key, namespace, spec }: Pick<SupervisedService, "key" | "namespace" | "spec">): void {
    const edges = edgesIn(namespace, spec);
    if (edges.length === 0 && !this.#needs.delete(key)) return;
    if (edges.length > 0) this.#needs.set(key, edges);
    this.#reversed = undefined;
  }

  /** What would be wrong with the dependencies of services that shall be so, as fields of the spec of the one, or of the services of a file. */
  findViolations(wanted: readonly WantedSpec[]): Violation[] {
    const byKey = new Map(wanted.map((service) => [serviceKey(service.namespace, service.name), service]));
    const edges = [...byKey].map(([key, { namespace, spec }]) => [key, edgesIn(namespace, spec)] as const);
    if (edges.every(([, of]) => of.length === 0)) return [];
    // A round that one of them closes is told as beginning with it.
    const graph = new Map([...edges, ...[...this.#needs].filter(([other]) => !byKey.has(other))]);
    return findGraphFaults(graph, (other) => byKey.get(other)?.spec ?? this.#services.get(other)?.spec).flatMap((fault) => {
      const service = byKey.get(fault.service);
      if (!service) return [];
      const { namespace, name, spec } = service;
      const place = wanted.length === 1 ? "spec" : `services[${JSON.stringify(name)}]`;
      const field = edgeField(spec, fault.name.slice(namespace.length + 1));
      return { field: `${place}.${field}`, message: fault.message };
    });
  }

  /** Those that would miss this service when these are as they shall be, by their full names. */
  dependentsOf(key: string, wanted: readonly WantedSpec[]): string[] {
    const changed = new Set(wanted.map(({ namespace, name }) => serviceKey(namespace, name)));
    const stay = this.#dependents(key).flatMap(({ name, mustExist }) => (mustExist && !changed.has(name) ? name : []));
    const come = wanted.filter(({ namespace, spec }) => edgesIn(namespace, spec).some(({ name, mustExist }) => name === key && mustExist));
    return [...stay, ...come.map(({ namespace, name }) => serviceKey(namespace, name))];
  }

  /** Whether instances of this service may start, as far as others are concerned. */
  mayStart(key: string, known = new Map<string, Verdict>()): Verdict {
    const before = known.get(key);
    if (before) return before;
    known.set(key, go);
    const verdict = mayStart(this.needs(key), (edge) => this.#standing(edge, known));
    known.set(key, verdict);
    return verdict;
  }

  /** What must be started so that these can start: what they cannot do without, and is down. Dependencies come first. */
  downBelow(keys: readonly string[]): SupervisedService[] {
    const all = startedAlong(this.#needs, keys);
    const down = new Set<string>();
    for (const key of all) {
      for (const edge of this.needs(key)) {
        const standing = edge.required ? this.#standing(edge) : undefined;
        if (standing?.type === "down" && !standing.root) down.add(edge.name);
      }
    }
    return all.filter((key) => down.has(key)).flatMap((key) => this.#services.get(key) ?? []);
  }

  /** The same, each after what it needs: a dependency that is to run once more has not completed, as those that come after it shall see. */
  dependenciesFirst<Of extends { readonly service: SupervisedService }>(targets: readonly Of[]): Of[] {
    const keys = dependenciesFirst(
      this.#needs,
      targets.map(({ service }) => service.key),
    );
    const byKey = Map.groupBy(targets, ({ service }) => service.key);
    return keys.flatMap((key) => byKey.get(key) ?? []);
  }

  isLeaving(instance: Instance): boolean {
    return this.#departures.has(instance);
  }

  cancelStop(instance: Instance): void {
    this.#departures.cancelStop(instance);
  }

  /** Ends these, after those that cannot do without them, and theirs. */
  depart(instances: readonly Instance[], departure: Departure): void {
    const all = new Map(instances.map((instance) => [instance, departure]));
    const { graceMs } = { graceMs: undefined, ...departure };
    const lost: Departure = { type: "lost", ...(graceMs !== undefined && { graceMs }) };
    for (const key of new Set(instances.map(({ name }) => serviceOf(name)))) {
      const stays = this.#instances(key).some((instance) => instance.up && !all.has(instance) && !this.isLeaving(instance));
      if (stays) continue;
      for (const instance of this.#leavingWith(key)) if (!all.has(instance)) all.set(instance, lost);
    }
    this.#departures.add(all);
  }

  /** How long it may take until this service can be told to end, if all goes by the grace periods. */
  departureMs(key: string, graceMs?: number): number {
    const leaving = leavingWith(this.#dependentEdges, key).flatMap((other) => this.#services.get(other) ?? []);
    return leaving.reduce((total, { spec }) => total + (graceMs ?? spec.process.stop.graceMs), 0);
  }

  /** Something about the service has changed: its state, or what it should be. */
  changed(service: SupervisedService): void {
    const { key } = service;
    const wasUp = this.#up.has(key);
    if (isUp(service)) this.#up.add(key);
    else this.#up.delete(key);
    if (wasUp && !this.#up.has(key)) this.#lose(key);
    for (const edge of this.#dependents(key)) {
      for (const instance of this.#instances(edge.name)) instance.reconsider();
      if (edge.onLoss === "restart" && canBeLost(edge)) this.#restartOlder(edge, service);
    }
    this.#departures.review();
  }

  /** Nothing of it is left. */
  forget(service: SupervisedService): void {
    if (this.#needs.delete(service.key)) this.#reversed = undefined;
    this.#up.delete(service.key);
    this.#departures.forget(service.instances);
    for (const { name } of this.#dependents(service.key)) for (const instance of this.#instances(name)) instance.reconsider();
  }

  needs(key: string): readonly Edge[] {
    return this.#needs.get(key) ?? [];
  }

  #lose(key: string): void {
    this.#departures.add(this.#leavingWith(key).map((instance) => [instance, { type: "lost" }]));
  }

  /** Those that are up and go when this service goes; those that go already are left to it. */
  #leavingWith(key: string): Instance[] {
    const others = leavingWith(this.#dependentEdges, key);
    return others.flatMap((other) => this.#instances(other)).filter((instance) => instance.up && !this.isLeaving(instance));
  }

  /**
   * What is older than every run of what it depends on has seen that end. That is told by how long they have been there, so that it holds
   * for the next pmd as well, and whatever became of the clock. Where an age is not known, 0, nobody is restarted.
   */
  #restartOlder(edge: Edge, dependency: SupervisedService): void {
    if (standingOf(this.#facts(dependency, new Map()), edge.condition).type !== "met") return;
    const oldestMs = Math.max(...dependency.instances.map(({ aliveMs }) => aliveMs));
    if (oldestMs === 0) return;
    const isOlder = (instance: Instance) => instance.aliveMs > oldestMs + ageGrainMs;
    const older = this.#instances(edge.name).filter((instance) => instance.up && isOlder(instance) && !this.isLeaving(instance));
    if (older.length > 0) this.depart(older, { type: "lost" });
  }

  #standing(edge: Edge, known = new Map<string, Verdict>()): Standing {
    const service = this.#services.get(edge.name);
    return standingOf(service && this.#facts(service, known), edge.condition);
  }

  #facts(service: SupervisedService, known: Map<string, Verdict>): DependencyFacts {
    const instances = service.instances.map((instance) => {
      const { state } = instance.model;
      const { alive, ready } = instance;
      return {
        phase: state.phase,
        wanted: service.wants(instance.index),
        alive,
        ready,
        leaving: this.isLeaving(instance),
        ...(state.phase === "failed" && { reason: state.reason }),
        ...(state.phase === "waiting" && { verdict: this.mayStart(service.key, known) }),
      };
    });
    return { instances };
  }

  #dependents(key: string): readonly Edge[] {
    return this.#dependentEdges.get(key) ?? [];
  }

  #dependentInstances(key: string): Instance[] {
    return this.#dependents(key).flatMap(({ name }) => this.#instances(name));
  }

  #instances(key: string): readonly Instance[] {
    return this.#services.get(key)?.instances ?? [];
  }

  get #dependentEdges(): Graph {
    this.#reversed ??= reversed(this.#needs);
    return this.#reversed;
  }
}

function isUp(service: SupervisedService): boolean {
  return service.instances.some(({ up }) => up);
}

/** By full names. */
function edgesIn(namespace: string, spec: ServiceSpec): Edge[] {
  return edgesOf(spec).map((edge) => ({ ...edge, name: serviceKey(namespace, edge.name) }));
}
