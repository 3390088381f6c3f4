import { isEqual } from "./equal.ts";
import type { ProcessSpec, ServiceSpec } from "./spec.ts";

// What has to happen so that services are what a file says. A service has one owner: the file whose path is its source, or the API, whose source
// is empty. A file changes only what it owns, unless it is forced upon what another owns; it deletes only what it owns, and only when it prunes.
// What operators said stays: it is told as drift, and taken back only when that was asked for.

/** What becomes of the processes of a service. */
export const effects = ["none", "live", "scale", "restart", "create", "delete"] as const;
export type PlanEffect = (typeof effects)[number];

export interface SaidByOperators {
  readonly desired?: "running" | "stopped";
  readonly instances?: number;
  readonly stoppedInstances: readonly number[];
}

/** A service as it is. */
export interface PresentService {
  /** In full: `default/web`. */
  readonly key: string;
  readonly spec: ServiceSpec;
  readonly source: string;
  /** Who wrote its present spec, if not its source. */
  readonly origin?: string;
  readonly overrides: SaidByOperators;
  /** Something of it runs from an older spec: pmd was killed before it could replace that, or was told to leave it. */
  readonly stale?: boolean;
}

/** A service as the file has it. */
export interface WantedService {
  readonly key: string;
  readonly spec: ServiceSpec;
}

export interface PlanOptions {
  readonly prune: boolean;
  readonly force: boolean;
  readonly resetOverrides: boolean;
}

export interface PlannedService {
  readonly key: string;
  readonly effect: PlanEffect;
  /** Undefined of one that is new. */
  readonly from?: ServiceSpec;
  /** Undefined of one that the file does not have. */
  readonly to?: ServiceSpec;
  /** Its owner until now, where that is another: the path of a file, or empty for the API. */
  readonly otherOwner?: string;
  /** Where it is otherwise than the file says, and who has seen to that. */
  readonly drift: readonly string[];
}

export interface Plan {
  /** The path of the file. */
  readonly source: string;
  readonly options: PlanOptions;
  /** By name. */
  readonly services: readonly PlannedService[];
}

/** Services that neither the file names nor owns are in no plan. */
export function planChanges(source: string, wanted: readonly WantedService[], present: readonly PresentService[], options: PlanOptions): Plan {
  const presentByKey = new Map(present.map((service) => [service.key, service]));
  const named = new Set(wanted.map(({ key }) => key));
  const planned = [
    ...wanted.map((service) => planOne(source, service, presentByKey.get(service.key), options)),
    ...present.filter((service) => service.source === source && !named.has(service.key)).map((service) => planLeftover(service, options)),
  ];
  return { source, options, services: planned.sort((a, b) => (a.key < b.key ? -1 : 1)) };
}

/** Services that have another owner, where nothing was said of force. */
export function conflictsIn({ services, options }: Plan): PlannedService[] {
  return options.force ? [] : services.filter(({ otherOwner }) => otherOwner !== undefined);
}

/** A process that was started by one spec need not be replaced to go by the other: what pmd asks for only later may change under it. */
export function runsAlike(a: ProcessSpec, b: ProcessSpec): boolean {
  return isEqual(lasting(a), lasting(b));
}

function lasting({ stop, logs, ...rest }: ProcessSpec) {
  return { ...rest, stop: { ...stop, graceMs: 0 }, logs: { ...logs, hints: [] } };
}

function planOne(source: string, { key, spec }: WantedService, present: PresentService | undefined, options: PlanOptions): PlannedService {
  if (!present) return { key, effect: "create", to: spec, drift: [] };
  const overrides = options.resetOverrides ? { stoppedInstances: [] } : present.overrides;
  return {
    key,
    effect: effectOf(spec, overrides, present, source),
    from: present.spec,
    to: spec,
    ...(present.source !== source && { otherOwner: present.source }),
    drift: [...driftOf(spec, overrides), ...writtenByOthers(spec, present), ...(present.stale ? ["runs from an older spec"] : [])],
  };
}

function planLeftover({ key, spec }: PresentService, { prune }: PlanOptions): PlannedService {
  if (prune) return { key, effect: "delete", from: spec, drift: [] };
  return { key, effect: "none", from: spec, drift: ["not in the file any more: it stays until it is pruned"] };
}

function effectOf(spec: ServiceSpec, overrides: SaidByOperators, present: PresentService, source: string): PlanEffect {
  const before = running(present.spec, present.overrides);
  const after = running(spec, overrides);
  const stays = after.some((index) => before.includes(index));
  if (stays && (present.stale || !runsAlike(present.spec.process, spec.process))) return "restart";
  if (!isEqual(before, after)) return "scale";
  const isSame = isEqual(present.spec, spec) && isEqual(present.overrides, overrides) && present.source === source;
  return isSame ? "none" : "live";
}

/** Instances that should run. */
function running(spec: ServiceSpec, { desired, instances, stoppedInstances }: SaidByOperators): number[] {
  const isWanted = (desired ?? (spec.autostart ? "running" : "stopped")) === "running";
  const indexes = isWanted ? Array.from({ length: instances ?? spec.instances }, (_, index) => index) : [];
  return indexes.filter((index) => !stoppedInstances.includes(index));
}

function driftOf(spec: ServiceSpec, { desired, instances, stoppedInstances }: SaidByOperators): string[] {
  const drift: (string | false)[] = [
    desired === "stopped" && spec.autostart && "stopped by an operator",
    desired === "running" && !spec.autostart && "started by an operator",
    instances !== undefined && instances !== spec.instances && `scaled to ${instances} by an operator: the file says ${spec.instances}`,
    stoppedInstances.length > 0 && desired !== "stopped" && `without #${stoppedInstances.join(" #")}: stopped by an operator`,
  ];
  return drift.filter((text) => text !== false);
}

function writtenByOthers(spec: ServiceSpec, { spec: before, source, origin = source }: PresentService): string[] {
  if (origin === source || isEqual(spec, before)) return [];
  return [origin === "" ? "changed over the API" : `changed by ${origin}`];
}
