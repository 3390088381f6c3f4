import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  LogRotation_Compression as Compression,
  type Environment as EnvironmentMessage,
  LogRotation_Interval as Interval,
  type LogSpec as LogMessage,
  type LogSpecSchema,
  LogSpec_OnFull as OnFull,
  type PortSpec as PortMessage,
  type ProcessSpec as ProcessMessage,
} from "../../gen/pm/v1/process_pb.ts";
import {
  Dependency_Condition as DependencyCondition,
  type Dependency as DependencyMessage,
  RestartPolicy_Mode as Mode,
  Dependency_OnLoss as OnLoss,
  type ReloadSpec as ReloadMessage,
  type RestartPolicy as RestartMessage,
  type ServiceSpec as ServiceSpecMessage,
  ServiceSpecSchema,
} from "../../gen/pm/v1/service_pb.ts";
import { rangeProblem } from "../core/ports.ts";
import {
  type Dependency,
  defaults,
  type Environment,
  type EnvironmentLayer,
  type HealthCheck,
  type LogSettings,
  type LogSpec,
  type PortSpec,
  type ProcessSpec,
  type ReloadSpec,
  type RestartPolicy,
  type ServiceSpec,
} from "../core/spec.ts";
import { faultOfReference, parseReference } from "../core/value-reference.ts";
import { invalidFields, type Violation } from "../errors.ts";
import { fromCommand, maskedValue, toCommand } from "./convert-command.ts";
import { fromHealthCheck, fromOnUnhealthy, toHealthCheck, toOnUnhealthy } from "./convert-health.ts";
import { parseSignal, unknownSignal } from "./convert-signal.ts";
import { fromMs, toMsOr } from "./convert-time.ts";

// A spec on its way in is a message that the rules of the proto have passed already. What is left to say here is what they cannot say: which
// signals this host has, and what a masked value stands for. On its way out the values of variables are masked unless somebody asked for them.

export interface SpecContext {
  /** Where the spec is within the request, for violations. */
  readonly field?: string;
  /** The spec that it replaces, whose values a masked value keeps. */
  readonly stored?: ServiceSpec | undefined;
}

/** Fills in the defaults; throws all violations at once. */
export function toSpec(message: ServiceSpecMessage, { field = "spec", stored }: SpecContext = {}): ServiceSpec {
  const violations: Violation[] = [];
  const process = `${field}.process`;
  const spec: ServiceSpec = {
    process: toProcess(message.process, { field: process, stored: stored?.process, violations }),
    instances: message.instances ?? 1,
    autostart: message.autostart ?? true,
    restart: toRestart(message.restart),
    start: {
      settleMs: toMsOr(message.start?.settle, message.health ? defaults.settleWithHealthMs : defaults.start.settleMs),
      timeoutMs: toMsOr(message.start?.timeout, defaults.start.timeoutMs),
    },
    ...(message.reload && { reload: toReload(message.reload, `${field}.reload`, violations) }),
    ...toHealth(message, { field, stored, violations }),
    ...(message.restartAbove !== undefined && { restartAboveBytes: Number(message.restartAbove) }),
    labels: { ...message.labels },
    description: message.description,
    ...(Object.keys(message.dependsOn).length > 0 && { dependsOn: toDependencies(message.dependsOn) }),
    ...(message.after.length > 0 && { after: [...message.after] }),
  };
  const port = spec.process.port && rangeProblem(spec.process.port, spec.instances);
  if (port !== undefined) violations.push({ field: `${field}.process.port`, message: port });
  for (const name of ["health", "liveness"] as const) {
    if (spec.process.port || !needsPort(spec[name])) continue;
    violations.push({ field: `${field}.${name}`, message: "has no port: give it one, or give the service a port" });
  }
  if (violations.length > 0) throw invalidFields(violations);
  return deepFreeze(spec);
}

/** It asks whatever port the instance was given. */
function needsPort(check: HealthCheck | undefined): boolean {
  return check !== undefined && "port" in check.probe && check.probe.port === 0;
}

function toHealth(
  { health, liveness, onUnhealthy }: ServiceSpecMessage,
  { field, stored, violations }: { field: string; stored: ServiceSpec | undefined; violations: Violation[] },
): Pick<ServiceSpec, "health" | "liveness" | "onUnhealthy"> {
  if (liveness?.logLine)
    violations.push({ field: `${field}.liveness.log_line`, message: "a line that was written once says nothing of later: ask in another way" });
  return {
    ...(health && { health: toHealthCheck(health, { field: `${field}.health`, stored: stored?.health, violations }) }),
    ...(liveness && { liveness: toHealthCheck(liveness, { field: `${field}.liveness`, stored: stored?.liveness, violations }) }),
    ...(onUnhealthy && { onUnhealthy: toOnUnhealthy(onUnhealthy, `${field}.on_unhealthy`, violations) }),
  };
}

interface ProcessContext {
  readonly field: string;
  readonly stored: ProcessSpec | undefined;
  readonly violations: Violation[];
}

function toProcess(message: ProcessMessage | undefined, { field, stored, violations }: ProcessContext): ProcessSpec {
  const workingDirectory = message?.workingDirectory ?? "";
  if (workingDirectory !== "" && !workingDirectory.startsWith("/")) {
    violations.push({ field: `${field}.working_directory`, message: `${JSON.stringify(workingDirectory)} is not an absolute path` });
  }
  const stop = message?.stop;
  return {
    command: toCommand(message?.command, `${field}.command`, violations),
    workingDirectory,
    environment: toEnvironment(message?.environment, `${field}.environment`, stored?.environment, violations),
    stop: {
      signal: toSignalOr(stop?.signal ?? "", defaults.stop.signal, `${field}.stop.signal`, violations),
      ...(stop?.command && { command: toCommand(stop.command, `${field}.stop.command`, violations) }),
      graceMs: toMsOr(stop?.grace, defaults.stop.graceMs),
    },
    logs: toLogs(message?.logs),
    ...(message?.port && { port: toPort(message.port) }),
  };
}

function toPort({ first, last, auto }: PortMessage): PortSpec {
  return { first, last: last ?? first, auto };
}

function toLogs(message: LogMessage | undefined): LogSpec {
  const standard = defaults.logs;
  const rotate = message?.rotate;
  return {
    stdout: message?.stdout ?? standard.stdout,
    stderr: message?.stderr ?? standard.stderr,
    hints: [...(message?.hints ?? [])],
    rotateBytes: Number(rotate?.size ?? standard.rotateBytes),
    interval: nameOf(intervals, rotate?.interval) ?? standard.interval,
    backups: rotate?.backups ?? standard.backups,
    maxAgeMs: toMsOr(rotate?.maxAge, standard.maxAgeMs),
    compress: nameOf(compressions, rotate?.compress) ?? standard.compress,
    totalBytes: Number(rotate?.totalSize ?? standard.totalBytes),
    onFull: nameOf(fullDiskRules, message?.onFull) ?? standard.onFull,
  };
}

const intervals = {
  none: Interval.UNSPECIFIED,
  minutely: Interval.MINUTELY,
  hourly: Interval.HOURLY,
  daily: Interval.DAILY,
  weekly: Interval.WEEKLY,
  monthly: Interval.MONTHLY,
} satisfies Record<LogSettings["interval"], Interval>;
const compressions = { none: Compression.NONE, zstd: Compression.ZSTD, gzip: Compression.GZIP } satisfies Record<
  LogSettings["compress"],
  Compression
>;
const fullDiskRules = { drop: OnFull.DROP, block: OnFull.BLOCK } satisfies Record<LogSettings["onFull"], OnFull>;

/** Undefined where the message leaves it open. */
function nameOf<Name extends string>(values: Readonly<Record<Name, number>>, value: number | undefined): Name | undefined {
  return (Object.keys(values) as Name[]).find((name) => values[name] === value);
}

function toEnvironment(
  message: EnvironmentMessage | undefined,
  field: string,
  stored: Environment | undefined,
  violations: Violation[],
): Environment {
  const shared = (message?.shared ?? []).map((layer, index) => toLayer(layer, `${field}.shared[${index}]`, stored?.shared?.[index], violations));
  return {
    ...toLayer(message, field, stored, violations),
    inherit: message?.inherit ?? false,
    ...(shared.length > 0 && { shared }),
  };
}

function toLayer(
  message: Pick<EnvironmentMessage, "vars" | "files"> | undefined,
  field: string,
  stored: EnvironmentLayer | undefined,
  violations: Violation[],
): EnvironmentLayer {
  const vars = Object.entries(message?.vars ?? {}).map(([name, value]) => {
    const reference = parseReference(value);
    const fault = reference && faultOfReference(reference);
    if (fault) violations.push({ field: `${field}.vars["${name}"]`, message: fault });
    if (value !== maskedValue) return [name, value];
    const kept = stored && Object.hasOwn(stored.vars, name) ? stored.vars[name] : undefined;
    if (kept === undefined) {
      violations.push({ field: `${field}.vars["${name}"]`, message: "a masked value keeps the one that is stored, and none is: give the value" });
    }
    return [name, kept ?? value];
  });
  return { vars: Object.fromEntries(vars), files: (message?.files ?? []).map(({ path, optional }) => ({ path, optional })) };
}

function toReload(message: ReloadMessage, field: string, violations: Violation[]): ReloadSpec {
  if (message.command) return { command: toCommand(message.command, `${field}.command`, violations) };
  return { signal: toSignalOr(message.signal, "", `${field}.signal`, violations) };
}

function toSignalOr(text: string, otherwise: string, field: string, violations: Violation[]): string {
  if (text === "") return otherwise;
  const signal = parseSignal(text);
  if (signal === undefined) violations.push({ field, message: unknownSignal(text) });
  return signal ?? text;
}

function toRestart(message: RestartMessage | undefined): RestartPolicy {
  const standard = defaults.restart;
  return {
    mode: toMode(message?.policy ?? Mode.UNSPECIFIED),
    delayMs: toMsOr(message?.delay, standard.delayMs),
    maxDelayMs: toMsOr(message?.maxDelay, standard.maxDelayMs),
    jitter: message?.jitter ?? standard.jitter,
    resetAfterMs: toMsOr(message?.resetAfter, standard.resetAfterMs),
    ...(message?.maxRestarts !== undefined && { maxRestarts: message.maxRestarts }),
    windowMs: toMsOr(message?.window, standard.windowMs),
    successExitCodes: [...(message?.successExitCodes ?? [])],
  };
}

function toMode(mode: Mode): RestartPolicy["mode"] {
  switch (mode) {
    case Mode.ON_FAILURE:
      return "on-failure";
    case Mode.NEVER:
      return "never";
    default:
      return defaults.restart.mode;
  }
}

const modes = { always: Mode.ALWAYS, "on-failure": Mode.ON_FAILURE, never: Mode.NEVER } satisfies Record<RestartPolicy["mode"], Mode>;

function toDependencies(messages: Readonly<Record<string, DependencyMessage>>): Record<string, Dependency> {
  return Object.fromEntries(Object.entries(messages).map(([name, message]) => [name, toDependency(message)]));
}

function toDependency({ condition, onLoss, required = true }: DependencyMessage): Dependency {
  return {
    condition: nameOf(dependencyConditions, condition) ?? "healthy",
    onLoss: nameOf(lossRules, onLoss) ?? (required ? "stop" : "ignore"),
    required,
  };
}

const dependencyConditions = {
  started: DependencyCondition.STARTED,
  healthy: DependencyCondition.HEALTHY,
  completed: DependencyCondition.COMPLETED,
  completed_ok: DependencyCondition.COMPLETED_OK,
} satisfies Record<Dependency["condition"], DependencyCondition>;

const lossRules = { stop: OnLoss.STOP, restart: OnLoss.RESTART, ignore: OnLoss.IGNORE } satisfies Record<Dependency["onLoss"], OnLoss>;

/** The resolved spec, with everything that was a default said aloud. */
export function fromSpec(spec: ServiceSpec, values: "masked" | "revealed"): ServiceSpecMessage {
  return create(ServiceSpecSchema, {
    process: fromProcess(spec.process, values),
    instances: spec.instances,
    autostart: spec.autostart,
    restart: fromRestart(spec.restart),
    start: { settle: fromMs(spec.start.settleMs), timeout: fromMs(spec.start.timeoutMs) },
    ...(spec.reload && { reload: fromReload(spec.reload) }),
    ...(spec.health && { health: fromHealthCheck(spec.health, values) }),
    ...(spec.liveness && { liveness: fromHealthCheck(spec.liveness, values) }),
    ...(spec.onUnhealthy && { onUnhealthy: fromOnUnhealthy(spec.onUnhealthy) }),
    ...(spec.restartAboveBytes !== undefined && { restartAbove: BigInt(spec.restartAboveBytes) }),
    labels: { ...spec.labels },
    description: spec.description,
    dependsOn: Object.fromEntries(Object.entries(spec.dependsOn ?? {}).map(([name, dependency]) => [name, fromDependency(dependency)])),
    after: [...(spec.after ?? [])],
  });
}

function fromDependency({ condition, onLoss, required }: Dependency) {
  return { condition: dependencyConditions[condition], onLoss: lossRules[onLoss], required };
}

type ServiceSpecInit = MessageInitShape<typeof ServiceSpecSchema>;

function fromProcess(spec: ProcessSpec, values: "masked" | "revealed"): NonNullable<ServiceSpecInit["process"]> {
  const { environment, stop, logs } = spec;
  return {
    command: fromCommand(spec.command),
    workingDirectory: spec.workingDirectory,
    environment: {
      ...fromLayer(environment, values),
      inherit: environment.inherit,
      shared: (environment.shared ?? []).map((layer) => fromLayer(layer, values)),
    },
    stop: { signal: stop.signal, ...(stop.command && { command: fromCommand(stop.command) }), grace: fromMs(stop.graceMs) },
    logs: fromLogs(logs),
    ...(spec.port && { port: { ...spec.port } }),
  };
}

function fromLayer({ vars, files }: EnvironmentLayer, values: "masked" | "revealed") {
  const shown = Object.entries(vars).map(([name, value]) => [name, values === "revealed" ? value : maskedValue]);
  return { vars: Object.fromEntries(shown), files: files.map((file) => ({ ...file })) };
}

function fromLogs(logs: LogSpec): MessageInitShape<typeof LogSpecSchema> {
  const rotate = {
    size: BigInt(logs.rotateBytes),
    interval: intervals[logs.interval],
    backups: logs.backups,
    maxAge: fromMs(logs.maxAgeMs),
    compress: compressions[logs.compress],
    ...(logs.totalBytes > 0 && { totalSize: BigInt(logs.totalBytes) }),
  };
  return { stdout: logs.stdout, stderr: logs.stderr, hints: [...logs.hints], rotate, onFull: fullDiskRules[logs.onFull] };
}

function fromReload(reload: ReloadSpec): NonNullable<ServiceSpecInit["reload"]> {
  return "signal" in reload ? { signal: reload.signal } : { command: fromCommand(reload.command) };
}

function fromRestart(policy: RestartPolicy): NonNullable<ServiceSpecInit["restart"]> {
  return {
    policy: modes[policy.mode],
    delay: fromMs(policy.delayMs),
    maxDelay: fromMs(policy.maxDelayMs),
    jitter: policy.jitter,
    resetAfter: fromMs(policy.resetAfterMs),
    ...(policy.maxRestarts !== undefined && { maxRestarts: policy.maxRestarts }),
    window: fromMs(policy.windowMs),
    successExitCodes: [...policy.successExitCodes],
  };
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) Object.values(Object.freeze(value)).forEach(deepFreeze);
  return value;
}
