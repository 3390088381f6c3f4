import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  OnUnhealthy_Action as Action,
  type HealthCheck as CheckMessage,
  type HealthCheckSchema,
  type HealthStatus as HealthMessage,
  HealthStatusSchema,
  type HttpProbe as HttpMessage,
  type OnUnhealthy as OnUnhealthyMessage,
  type OnUnhealthySchema,
  HttpProbe_Scheme as Scheme,
  HealthState as State,
} from "../../gen/pm/v1/health_pb.ts";
import { defaults, type HealthCheck, type HttpProbe, type OnUnhealthy, type Probe } from "../core/spec.ts";
import type { Violation } from "../errors.ts";
import type { HealthView } from "../supervisor/view.ts";
import { fromCommand, maskedValue, toCommand } from "./convert-command.ts";
import { parseSignal, unknownSignal } from "./convert-signal.ts";
import { fromMs, fromWallTime, toMsOr } from "./convert-time.ts";

// Health checks of specs, in both directions, and what they say of instances.

export interface CheckContext {
  readonly field: string;
  readonly stored: HealthCheck | undefined;
  readonly violations: Violation[];
}

/** The rules of the proto have said already that there is exactly one way to ask. */
export function toHealthCheck(message: CheckMessage, context: CheckContext): HealthCheck {
  const standard = defaults.health;
  return {
    probe: toProbe(message, context),
    intervalMs: toMsOr(message.interval, standard.intervalMs),
    timeoutMs: toMsOr(message.timeout, standard.timeoutMs),
    retries: message.retries ?? standard.retries,
    successes: message.successes ?? standard.successes,
    startPeriodMs: toMsOr(message.startPeriod, standard.startPeriodMs),
  };
}

function toProbe({ http, tcp, exec, grpc, logLine }: CheckMessage, context: CheckContext): Probe {
  const { host } = defaults.probe;
  if (http) return toHttpProbe(http, context);
  if (tcp) return { type: "tcp", host: tcp.host || host, port: tcp.port };
  if (exec) return { type: "exec", command: toCommand(exec.command, `${context.field}.exec.command`, context.violations) };
  if (grpc) return { type: "grpc", host: grpc.host || host, port: grpc.port, service: grpc.service };
  return { type: "log_line", contains: logLine?.contains ?? "" };
}

function toHttpProbe(message: HttpMessage, { field, stored, violations }: CheckContext): HttpProbe {
  const standard = defaults.probe;
  const known = stored?.probe.type === "http" ? stored.probe.headers : {};
  const headers = Object.entries(message.headers).map(([name, value]) => {
    if (value !== maskedValue) return [name, value];
    const kept = Object.hasOwn(known, name) ? known[name] : undefined;
    if (kept === undefined)
      violations.push({
        field: `${field}.http.headers["${name}"]`,
        message: "a masked value keeps the one that is stored, and none is: give the value",
      });
    return [name, kept ?? value];
  });
  const statusMin = message.statusMin ?? standard.statusMin;
  const statusMax = message.statusMax ?? Math.max(standard.statusMax, statusMin);
  if (statusMin > statusMax) violations.push({ field: `${field}.http.status_max`, message: `${statusMax} is below the lowest status, ${statusMin}` });
  return {
    type: "http",
    scheme: message.scheme === Scheme.HTTPS ? "https" : "http",
    host: message.host || standard.host,
    port: message.port,
    method: message.method || standard.method,
    path: message.path || standard.path,
    headers: Object.fromEntries(headers),
    statusMin,
    statusMax,
    body: message.body,
    tlsSkipVerify: message.tlsSkipVerify,
  };
}

export function toOnUnhealthy({ action, signal: text }: OnUnhealthyMessage, field: string, violations: Violation[]): OnUnhealthy {
  if (text === "") return action === Action.NONE ? "none" : "restart";
  const signal = parseSignal(text);
  if (signal === undefined) violations.push({ field: `${field}.signal`, message: unknownSignal(text) });
  return { signal: signal ?? text };
}

export function fromHealthCheck(check: HealthCheck, values: "masked" | "revealed"): MessageInitShape<typeof HealthCheckSchema> {
  return {
    ...fromProbe(check.probe, values),
    interval: fromMs(check.intervalMs),
    timeout: fromMs(check.timeoutMs),
    retries: check.retries,
    successes: check.successes,
    startPeriod: fromMs(check.startPeriodMs),
  };
}

function fromProbe(probe: Probe, values: "masked" | "revealed"): MessageInitShape<typeof HealthCheckSchema> {
  switch (probe.type) {
    case "http": {
      const { type: _, scheme, headers, ...http } = probe;
      const shown = Object.entries(headers).map(([name, value]) => [name, values === "revealed" ? value : maskedValue]);
      return { http: { ...http, scheme: scheme === "https" ? Scheme.HTTPS : Scheme.HTTP, headers: Object.fromEntries(shown) } };
    }
    case "tcp":
      return { tcp: { host: probe.host, port: probe.port } };
    case "exec":
      return { exec: { command: fromCommand(probe.command) } };
    case "grpc":
      return { grpc: { host: probe.host, port: probe.port, service: probe.service } };
    case "log_line":
      return { logLine: { contains: probe.contains } };
  }
}

export function fromOnUnhealthy(reaction: OnUnhealthy): MessageInitShape<typeof OnUnhealthySchema> {
  if (typeof reaction === "object") return { signal: reaction.signal };
  return { action: reaction === "none" ? Action.NONE : Action.RESTART };
}

export function fromHealth({ state, since, failures, results }: HealthView, mostResults: number): HealthMessage {
  return create(HealthStatusSchema, {
    state: states[state],
    ...(since !== undefined && { stateTime: fromWallTime(since) }),
    failures,
    results: results.slice(0, mostResults).map(({ at, durationMs, ok, reason, output }) => ({
      time: fromWallTime(at),
      duration: fromMs(durationMs),
      ok,
      reason,
      output,
    })),
  });
}

const states = {
  none: State.NONE,
  starting: State.STARTING,
  healthy: State.HEALTHY,
  unhealthy: State.UNHEALTHY,
} satisfies Record<HealthView["state"], State>;
