import { type HealthCheck, HealthState, HealthStateSchema, type HealthStatus, HttpProbe_Scheme as Scheme } from "../gen/pm/v1/health_pb.ts";
import type { Instance } from "../gen/pm/v1/service_pb.ts";
import { safeText } from "./safe-text.ts";
import type { Color } from "./screen.ts";
import { commandLine } from "./service-figures.ts";
import { enumWord } from "./words.ts";

/** `healthy`; `-` where nobody is asked. */
export function healthWord(health: HealthStatus | undefined): string {
  return isAsked(health) ? enumWord(HealthStateSchema, health.state) : "-";
}

export function healthColor(health: HealthStatus | undefined): Color | undefined {
  switch (health?.state) {
    case HealthState.HEALTHY:
      return "green";
    case HealthState.STARTING:
      return "cyan";
    case HealthState.UNHEALTHY:
      return "red";
    default:
      return "dim";
  }
}

/** Of several instances the one that most needs to be known. */
export function worstHealth(instances: readonly Instance[]): HealthStatus | undefined {
  const all = instances.flatMap(({ health, liveness }) => [health, liveness]).filter(isAsked);
  const inOrder = [HealthState.UNHEALTHY, HealthState.STARTING, HealthState.HEALTHY];
  return inOrder.flatMap((state) => all.find((health) => health.state === state) ?? [])[0];
}

/** Why one that is asked is not well: `status 503: out of order`. */
export function complaintOf(health: HealthStatus | undefined): string | undefined {
  const newest = health?.results[0];
  return isAsked(health) && health.state !== HealthState.HEALTHY && newest && !newest.ok ? answerWords(newest) : undefined;
}

/** The answer, with its first line where it has more to say. */
export function answerWords({ reason, output }: { readonly reason: string; readonly output: string }): string {
  const [line = ""] = output.trim().split("\n");
  return safeText(line === "" ? reason : `${reason}: ${line}`);
}

/** How it is asked: `http 127.0.0.1:80/health`, `exec pg_isready`. */
export function checkWords({ http, tcp, exec, grpc, logLine }: HealthCheck): string {
  if (http) return safeText(`${http.scheme === Scheme.HTTPS ? "https" : "http"} ${http.host}:${portWord(http.port)}${http.path}`);
  if (tcp) return safeText(`tcp ${tcp.host}:${portWord(tcp.port)}`);
  if (exec) return `exec ${commandLine(exec.command)}`;
  if (grpc) return safeText(`grpc ${grpc.host}:${portWord(grpc.port)}${grpc.service ? ` ${grpc.service}` : ""}`);
  return safeText(`log line ${JSON.stringify(logLine?.contains ?? "")}`);
}

function isAsked(health: HealthStatus | undefined): health is HealthStatus {
  return health !== undefined && health.state !== HealthState.NONE && health.state !== HealthState.UNSPECIFIED;
}

/** Each instance is asked at its own. */
function portWord(port: number): string {
  return port === 0 ? "PORT" : String(port);
}
