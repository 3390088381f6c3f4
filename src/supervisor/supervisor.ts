import { isDeepStrictEqual } from "node:util";
import { displayName, splitKey } from "../core/names.ts";
import { conflictsIn, type Plan, type PlanEffect } from "../core/plan.ts";
import { rangeProblem } from "../core/ports.ts";
import { commandArgv, type ServiceSpec } from "../core/spec.ts";
import {
  allOf,
  generationMismatch,
  hasDependents,
  invalidFields,
  noReloadMethod,
  otherOwner,
  PmError,
  reloadFailed,
  shuttingDown,
  signalFailed,
  wrongState,
} from "../errors.ts";
import type { Host, LiveRun } from "./host.ts";
import type { Instance } from "./instance.ts";
import { type Goal, reachGoal, targetView, type Wait } from "./outcome.ts";
import { everything, instancesOf, nameOf, type Selector, select, type Target, wantedOf } from "./selection.ts";
import type { NewService, Services } from "./services.ts";
import type { ServiceChange, SupervisedService } from "./supervised-service.ts";
import type { ServiceView, TargetView } from "./view.ts";

/** How long a repeated request id is known. */
const requestMemoryMs = 600_000;
const reloadTimeoutMs = 60_000;
/** A call that others may be waiting for as well does not end with its first caller. */
const never = new AbortController().signal;

export interface UpdateOptions {
  readonly expectedGeneration?: number;
  /** Also if a file defines it. */
  readonly force?: boolean;
}

export interface DeleteOptions {
  readonly graceMs?: number;
  readonly validateOnly: boolean;
  /** Also those that a file defines. */
  readonly force?: boolean;
}

export interface ServiceOutcome {
  readonly service: ServiceView;
  readonly results: readonly TargetView[];
}

/** The verbs. Each selects its targets, stores the intent, tells the instances, and waits for what comes of it. */
export class Supervisor {
  readonly services: Services;
  readonly #host: Host;
  readonly #requests = new Map<string, Promise<TargetView[]>>();
  #closing = false;

  constructor(services: Services, host: Host) {
    this.services = services;
    this.#host = host;
  }

  async create(wanted: NewService, wait: Wait, signal: AbortSignal): Promise<ServiceOutcome> {
    this.checkNew(wanted);
    const service = this.services.create({ ...wanted, source: "" });
    const along = service.desired === "running" ? this.#downBelow([{ service }]) : [];
    this.#intend(along, "running", "start");
    for (const target of along) this.services.tell(wantedOf(target), { type: "start" });
    this.services.settle(service);
    const results = service.desired === "running" ? await this.#outcomes([{ service }], { verb: "start" }, wait, signal) : [];
    return { service: service.view(), results };
  }

  /** Throws what `create` would refuse. */
  checkNew(wanted: NewService): void {
    this.#checkOpen();
    this.services.checkNew(wanted);
  }

  async update(
    name: string,
    spec: ServiceSpec,
    how: UpdateOptions & { readonly leaveRunning: boolean; readonly origin?: string },
    wait: Wait,
    signal: AbortSignal,
  ): Promise<ServiceOutcome> {
    const service = this.checkUpdate(name, spec, how);
    this.services.change([[service, { spec, origin: how.origin ?? "" }]]);
    const stale = service.instances.filter((instance) => instance.stale);
    this.services.settle(service);
    if (how.leaveRunning) return { service: service.view(), results: [] };
    const targets = stale.filter(({ index }) => service.wants(index)).map(({ index }) => ({ service, index }));
    const results = await this.#restartTargets(targets, wait, signal);
    return { service: service.view(), results };
  }

  /** Throws what `update` would refuse. */
  checkUpdate(name: string, spec: ServiceSpec, { expectedGeneration, force }: UpdateOptions): SupervisedService {
    this.#checkOpen();
    const service = this.services.get(name);
    if (!force && service.stored.source !== "") throw otherOwner(service.shownName, service.stored.source);
    if (expectedGeneration !== undefined && service.generation !== expectedGeneration) {
      throw generationMismatch(service.shownName, expectedGeneration, service.generation);
    }
    if (!isDeepStrictEqual(spec, service.spec)) this.services.checkSpecs([{ namespace: service.namespace, name: service.name, spec }]);
    return service;
  }

  /** Makes specs be what a plan says, all or none, and then the processes of those that changed. What goes is gone before the rest begins. */
  async apply(plan: Plan, wait: Wait, signal: AbortSignal): Promise<TargetView[]> {
    this.checkPlan(plan);
    const { source, services: planned } = plan;
    const created = planned.filter(({ effect }) => effect === "create").map(({ key, to }) => ({ ...splitKey(key), spec: to as ServiceSpec, source }));
    this.services.define(created, this.#changesOf(plan));
    const doomed = planned.filter(({ effect }) => effect === "delete").map(({ key }) => key);
    // A caller that goes away leaves nothing half done: what is stored already is carried out all the same.
    const how = { validateOnly: false, force: true };
    const removed = doomed.length === 0 ? [] : await this.delete({ ...everything, all: false, names: doomed }, how, wait, never);
    const rest = planned.filter(({ to }) => to !== undefined);
    const results = await Promise.all(rest.map(({ key, effect }) => this.#carryOut(key, effect, wait, signal)));
    return [...results.flat(), ...removed].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Throws what `apply` would refuse. */
  checkPlan(plan: Plan): void {
    this.#checkOpen();
    const [first, ...others] = conflictsIn(plan).map(({ key, otherOwner: owner }) => otherOwner(displayName(key), owner ?? ""));
    if (first) throw allOf([first, ...others]);
    const different = plan.services.filter(({ effect, to }) => to && effect !== "none");
    const wanted = different.map(({ key, to }) => ({ ...splitKey(key), spec: to as ServiceSpec }));
    this.services.checkSpecs(wanted);
    this.#checkDispensable(
      plan.services.flatMap(({ key, effect }) => (effect === "delete" ? key : [])),
      wanted,
    );
  }

  /** Starts along what they cannot do without, if that is down. */
  async start(selector: Selector, wait: Wait, signal: AbortSignal): Promise<TargetView[]> {
    const targets = this.#select(selector);
    const along = this.#downBelow(targets);
    this.#intend([...along, ...targets], "running", "start");
    const unchanged = targets.filter((target) => wantedOf(target).every(({ ready }) => ready));
    for (const target of this.services.dependencies.dependenciesFirst([...along, ...targets])) {
      this.services.tell(wantedOf(target), { type: "start" });
    }
    const started = await this.#outcomes(without(targets, unchanged), { verb: "start" }, wait, signal);
    return [...unchanged.map((target) => targetView(nameOf(target), instancesOf(target), { outcome: "unchanged" })), ...started];
  }

  async stop(selector: Selector, how: { graceMs?: number }, wait: Wait, signal: AbortSignal): Promise<TargetView[]> {
    const targets = this.#select(selector);
    const unchanged = targets.filter((target) => instancesOf(target).every(({ atRest }) => atRest));
    this.#intend(targets, "stopped", "stop");
    this.services.tell(targets.flatMap(instancesOf), { type: "stop", ...(how.graceMs !== undefined && { graceMs: how.graceMs }) });
    const stopped = await this.#outcomes(without(targets, unchanged), { verb: "stop" }, this.#withGrace(wait, targets, how.graceMs), signal);
    return [...unchanged.map((target) => targetView(nameOf(target), instancesOf(target), { outcome: "unchanged" })), ...stopped];
  }

  /** The same request id within ten minutes is the same call. */
  restart(selector: Selector, requestId: string, wait: Wait, signal: AbortSignal): Promise<TargetView[]> {
    const known = requestId === "" ? undefined : this.#requests.get(requestId);
    if (known !== undefined) return known;
    const targets = this.#select(selector);
    const along = this.#downBelow(targets);
    this.#intend([...along, ...targets], "running", "restart");
    for (const target of along) this.services.tell(wantedOf(target), { type: "start" });
    const results = this.#restartTargets(targets, wait, requestId === "" ? signal : never);
    if (requestId !== "") {
      this.#requests.set(requestId, results);
      this.#host.after(requestMemoryMs, () => this.#requests.delete(requestId));
    }
    return results;
  }

  async scale(name: string, instances: number | undefined, wait: Wait, signal: AbortSignal): Promise<ServiceOutcome> {
    this.#checkOpen();
    const service = this.services.get(name);
    const { port } = service.spec.process;
    const problem = port && rangeProblem(port, instances ?? service.spec.instances);
    if (problem !== undefined) throw invalidFields([{ field: "instances", message: problem }]);
    const from = service.instancesDesired;
    this.services.change([[service, { overrides: { instances } }]]);
    const to = String(service.instancesDesired);
    const message = `${service.shownName} shall have ${to} instances`;
    this.services.events.append({ type: "intent_changed", subject: service.key, message, attributes: { verb: "scale", from: String(from), to } });
    const spare = service.instances.slice(service.instancesDesired);
    const fresh = service.instances.filter(({ model, index }) => model.state.phase === "stopped" && service.wants(index));
    this.services.settle(service);
    const goals = [
      ...spare.map((instance) => this.#outcome(service, instance, { verb: "stop" }, this.#withGrace(wait, [{ service }]), signal)),
      ...fresh.map((instance) => this.#outcome(service, instance, { verb: "start" }, wait, signal)),
    ];
    return { results: await Promise.all(goals), service: service.view() };
  }

  async reload(selector: Selector): Promise<TargetView[]> {
    return this.#each(this.#select(selector), async (service, instance) => {
      const { reload, process } = service.spec;
      const { run } = instance;
      const name = displayName(instance.name);
      if (!reload) throw noReloadMethod(service.shownName);
      if (!run || instance.model.state.phase !== "running") throw wrongState(name, instance.state, "cannot reload");
      if ("signal" in reload) send(run, name, reload.signal, "main");
      else {
        const code = await run.runHelper(commandArgv(reload.command), process, reloadTimeoutMs);
        if (code !== 0) throw reloadFailed(name, code);
      }
      this.services.events.append({ type: "reloaded", subject: instance.name, runId: run.id, message: `${name} was told to reload` });
    });
  }

  async signal(selector: Selector, signal: string, to: "main" | "group"): Promise<TargetView[]> {
    return this.#each(this.#select(selector), async (_, instance) => {
      const { run } = instance;
      const name = displayName(instance.name);
      if (!run) throw wrongState(name, instance.state, `cannot send ${signal} to`);
      send(run, name, signal, to);
      const message = `${signal} was sent to ${name}`;
      this.services.events.append({ type: "signalled", subject: instance.name, runId: run.id, message, attributes: { signal } });
    });
  }

  /** Forgets a service only when nothing of it is left. */
  async delete(selector: Selector, how: DeleteOptions, wait: Wait, signal: AbortSignal): Promise<TargetView[]> {
    const all = this.#select(selector).map(({ service }) => ({ service }));
    const [targets, refused] = how.force ? [all, []] : splitByOwner(all);
    this.#checkDispensable(
      targets.map(({ service }) => service.key),
      [],
    );
    if (how.validateOnly) return [...targets.map((target) => targetView(nameOf(target), instancesOf(target), { outcome: "accepted" })), ...refused];
    const names = targets.map(({ service }) => service.key);
    if (names.length === 0) return refused;
    const stopped = await this.stop({ ...everything, all: false, names }, how, { ...wait, level: "ready" }, signal);
    const deleted = stopped.map((result) => {
      const service = this.services.find(result.name);
      if (result.outcome === "failed" || !service) return result;
      this.services.forget(service);
      return { ...result, outcome: "done" as const };
    });
    return [...deleted, ...refused];
  }

  /** Stops everything, and accepts no new work from here on; the intent that is stored stays as it is. */
  async stopAll(timeoutMs: number, signal: AbortSignal): Promise<TargetView[]> {
    this.#closing = true;
    const targets = this.services.sorted().map((service) => ({ service }));
    this.services.tell(targets.flatMap(instancesOf), { type: "stop" });
    const results = await this.#outcomes(targets, { verb: "stop" }, { level: "ready", timeoutMs }, signal);
    this.#closing = results.every(({ outcome }) => outcome !== "failed");
    return results;
  }

  #select(selector: Selector): Target[] {
    this.#checkOpen();
    return select(selector, this.services.sorted());
  }

  #checkOpen(): void {
    if (this.#closing) throw shuttingDown();
  }

  /** Nothing that stays may depend on what goes, when these are as they shall be. */
  #checkDispensable(going: readonly string[], wanted: readonly NewService[]): void {
    for (const key of going) {
      const staying = without(this.services.dependencies.dependentsOf(key, wanted), going);
      if (staying.length > 0) throw hasDependents(displayName(key), staying.map(displayName));
    }
  }

  /** Stored, all of it, before anything is done. */
  #intend(targets: readonly Target[], desired: "running" | "stopped", verb: string): void {
    const change = (target: Target) => [target.service, desiredChange(target, desired)] as const;
    // What is said of one instance depends on what was said of the others; whole services are stored together.
    for (const target of targets) if (target.index !== undefined) this.services.change([change(target)]);
    this.services.change(targets.filter(({ index }) => index === undefined).map(change));
    for (const target of targets) {
      const name = nameOf(target);
      const message = `${displayName(name)}: ${verb} was asked for`;
      this.services.events.append({ type: "intent_changed", subject: name, message, attributes: { verb } });
      this.services.changed(target.service);
    }
  }

  /** What has to be started before these can start. */
  #downBelow(targets: readonly Target[]): Target[] {
    const selected = new Set(targets.map(({ service }) => service));
    const down = this.services.dependencies.downBelow([...selected].map(({ key }) => key));
    return down.filter((service) => !selected.has(service)).map((service) => ({ service }));
  }

  #changesOf({ source, services: planned, options }: Plan): [SupervisedService, ServiceChange][] {
    return planned.flatMap(({ key, effect, to }): [SupervisedService, ServiceChange][] => {
      const service = this.services.find(key);
      if (!service || effect === "none") return [];
      if (effect === "delete") return [[service, { overrides: { desired: "stopped" } }]];
      return [[service, { ...(to && { spec: to }), source, origin: source, ...(options.resetOverrides && { overrides: "none" as const }) }]];
    });
  }

  /** What a new spec means for the instances; decided by what they are now, because others may have been at work since the plan was made. */
  async #carryOut(key: string, effect: PlanEffect, wait: Wait, signal: AbortSignal): Promise<TargetView[]> {
    const service = this.services.find(key);
    if (!service) return [];
    const target = { service };
    if (effect === "none") return [targetView(key, instancesOf(target), { outcome: "unchanged" })];
    const spare = service.instances.filter(({ index, atRest }) => !service.wants(index) && !atRest);
    const fresh = wantedOf(target).filter(({ model }) => model.state.phase === "stopped");
    const old = effect === "restart" ? without(wantedOf(target), fresh) : [];
    const goals = [
      ...spare.map((instance): [Instance, Goal] => [instance, { verb: "stop" }]),
      ...old.map((instance): [Instance, Goal] => [instance, { verb: "restart", oldRun: instance.run?.id }]),
      ...fresh.map((instance): [Instance, Goal] => [instance, { verb: "start" }]),
    ];
    this.services.settle(service);
    this.services.tell(old, { type: "restart" });
    return [await this.#outcomeOf(target, goals, this.#withGrace(wait, [target]), signal)];
  }

  #restartTargets(targets: readonly Target[], wait: Wait, signal: AbortSignal): Promise<TargetView[]> {
    const goalsOf = new Map(
      targets.map((target) => [
        target,
        wantedOf(target).map((instance): [Instance, Goal] => [instance, { verb: "restart", oldRun: instance.run?.id }]),
      ]),
    );
    this.services.tell(targets.flatMap(wantedOf), { type: "restart" });
    return Promise.all([...goalsOf].map(([target, goals]) => this.#outcomeOf(target, goals, this.#withGrace(wait, [target]), signal)));
  }

  /** What has to stop may take its grace period, after those that stop before it have taken theirs, and then some, before the wait is over. */
  #withGrace(wait: Wait, targets: readonly Target[], graceMs?: number): Wait {
    if (wait.timeoutMs !== undefined) return wait;
    const { dependencies } = this.services;
    const graces = targets.map(({ service }) => (graceMs ?? service.spec.process.stop.graceMs) + dependencies.departureMs(service.key, graceMs));
    return { ...wait, timeoutMs: 90_000 + Math.max(0, ...graces) };
  }

  #outcomes(targets: readonly Target[], goal: Goal, wait: Wait, signal: AbortSignal): Promise<TargetView[]> {
    const instances = goal.verb === "stop" ? instancesOf : wantedOf;
    const outcomes = targets.map((target) => {
      const goals = instances(target).map((instance): [Instance, Goal] => [instance, goal]);
      return this.#outcomeOf(target, goals, wait, signal);
    });
    return Promise.all(outcomes);
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
        const error = results.find((result) => result.status === "rejected")?.reason;
        if (error !== undefined && !(error instanceof PmError)) throw error;
        return targetView(nameOf(target), instances, { error, outcome: "done" });
      }),
    );
  }
}

function desiredChange({ service, index }: Target, desired: "running" | "stopped"): ServiceChange {
  if (index === undefined) return { overrides: { desired, stoppedInstances: [] } };
  const others = service.stored.overrides.stoppedInstances.filter((other) => other !== index);
  if (desired === "stopped") return { overrides: { stoppedInstances: [...others, index].sort((a, b) => a - b) } };
  // Of a service that is stopped only this instance is to run: the others stay stopped, one by one.
  const siblings = service.instances.map((instance) => instance.index).filter((other) => other !== index);
  return { overrides: { desired, stoppedInstances: service.desired === "running" ? others : siblings } };
}

function send(run: LiveRun, name: string, signal: string, to: "main" | "group"): void {
  try {
    run.signal(signal, to);
  } catch (error) {
    throw signalFailed(name, signal, error);
  }
}

function without<T>(all: readonly T[], others: readonly T[]): T[] {
  return all.filter((one) => !others.includes(one));
}

/** What a file defines is not deleted in passing. */
function splitByOwner(targets: readonly { readonly service: SupervisedService }[]): [{ readonly service: SupervisedService }[], TargetView[]] {
  const owned = targets.filter(({ service }) => service.stored.source !== "");
  const refused = owned.map((target) => {
    const { shownName, stored } = target.service;
    return targetView(nameOf(target), instancesOf(target), { error: otherOwner(shownName, stored.source), outcome: "failed" });
  });
  return [without(targets, owned), refused];
}
