import path from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type HttpProbeSchema, HttpProbe_Scheme as Scheme } from "../gen/pm/v1/health_pb.ts";
import type { EnvironmentSchema, LogSpecSchema, PortSpecSchema, StopSpecSchema } from "../gen/pm/v1/process_pb.ts";
import {
  type Dependency_Condition as Condition,
  Dependency_ConditionSchema,
  type DependencySchema,
  RestartPolicy_Mode as RestartMode,
  type RestartPolicySchema,
  type ServiceSpecSchema,
} from "../gen/pm/v1/service_pb.ts";
import { usageError } from "./failure.ts";
import { type Program, resolveProgram } from "./program-path.ts";
import { durationOf } from "./quantities.ts";
import { parseEnumWord } from "./words.ts";

/** What `pmctl start` can say of a new service. Durations are in milliseconds, sizes in bytes. */
export interface SpecOptions {
  readonly instances?: number;
  readonly env?: readonly string[];
  readonly envFile?: readonly string[];
  readonly inheritEnv?: boolean;
  readonly cwd?: string;
  readonly label?: Readonly<Record<string, string>>;
  readonly description?: string;
  readonly autostart: boolean;
  readonly restart?: RestartMode;
  readonly maxRestarts?: number;
  readonly restartDelay?: number;
  readonly stopSignal?: string;
  readonly stopCommand?: string;
  readonly grace?: number;
  readonly stdout?: string;
  readonly stderr?: string;
  readonly rotateSize?: number;
  readonly port?: MessageInitShape<typeof PortSpecSchema>;
  readonly healthUrl?: string;
  readonly healthCommand?: string;
  readonly restartAbove?: number;
  readonly dependsOn?: readonly string[];
}

interface Caller {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** As a person at a shell expects: the program as the caller would find it, where the caller stands. */
export function serviceSpec(name: string, program: Program, options: SpecOptions, { cwd, env }: Caller): MessageInitShape<typeof ServiceSpecSchema> {
  const absolute = (file: string) => path.resolve(cwd, file);
  const command =
    program.type === "shell"
      ? { shell: program.line, args: [...program.args] }
      : { argv: resolveProgram(name, program, { cwd, searchPath: env.PATH ?? "" }) };
  return {
    process: {
      command,
      workingDirectory: absolute(options.cwd ?? "."),
      environment: environment(options, env, absolute),
      stop: stopSpec(options),
      logs: logSpec(options, absolute),
      ...(options.port && { port: options.port }),
    },
    ...(options.instances !== undefined && { instances: options.instances }),
    ...(!options.autostart && { autostart: false }),
    restart: restartPolicy(options),
    ...healthCheck(options),
    ...(options.restartAbove !== undefined && { restartAbove: BigInt(options.restartAbove) }),
    labels: { ...options.label },
    ...(options.dependsOn && { dependsOn: Object.fromEntries(options.dependsOn.map(dependency)) }),
    description: options.description ?? "",
  };
}

/** `db`, or `db:started` for another condition than the usual one. */
function dependency(text: string): [string, MessageInitShape<typeof DependencySchema>] {
  const [name = "", condition] = text.split(":");
  return [name, condition === undefined ? {} : { condition: parseEnumWord(Dependency_ConditionSchema, condition, "condition") as Condition }];
}

function environment(options: SpecOptions, env: Caller["env"], absolute: (file: string) => string): MessageInitShape<typeof EnvironmentSchema> {
  const said = Object.fromEntries((options.env ?? []).map((pair) => variable(pair, env)));
  // The caller's PATH comes along, so that what the program starts by name (npm starts node) is found as it is at the shell.
  const searchPath = env.PATH && !options.inheritEnv ? { PATH: env.PATH } : {};
  return {
    vars: { ...searchPath, ...said },
    files: (options.envFile ?? []).map((file) => ({ path: absolute(file) })),
    inherit: options.inheritEnv ?? false,
  };
}

/** `K=V`, or `K` for the value that it has here. */
function variable(pair: string, env: Caller["env"]): [string, string] {
  const at = pair.indexOf("=");
  if (at > 0) return [pair.slice(0, at), pair.slice(at + 1)];
  const value = at === -1 ? env[pair] : undefined;
  if (value === undefined) throw usageError(`--env: ${JSON.stringify(pair)} is not NAME=value, and no variable that is set here`);
  return [pair, value];
}

function stopSpec({ stopSignal, stopCommand, grace }: SpecOptions): MessageInitShape<typeof StopSpecSchema> {
  return {
    signal: stopSignal?.toUpperCase() ?? "",
    ...(stopCommand !== undefined && { command: { shell: stopCommand } }),
    ...(grace !== undefined && { grace: durationOf(grace) }),
  };
}

function logSpec({ stdout, stderr, rotateSize }: SpecOptions, absolute: (file: string) => string): MessageInitShape<typeof LogSpecSchema> {
  return {
    stdout: stdout === undefined ? "" : absolute(stdout),
    stderr: stderr === undefined ? "" : absolute(stderr),
    ...(rotateSize !== undefined && { rotate: { size: BigInt(rotateSize) } }),
  };
}

function restartPolicy({ restart, restartDelay, maxRestarts }: SpecOptions): MessageInitShape<typeof RestartPolicySchema> {
  return {
    policy: restart ?? RestartMode.UNSPECIFIED,
    ...(restartDelay !== undefined && { delay: durationOf(restartDelay) }),
    ...(maxRestarts !== undefined && { maxRestarts }),
  };
}

function healthCheck({ healthUrl, healthCommand }: SpecOptions): Pick<MessageInitShape<typeof ServiceSpecSchema>, "health"> {
  if (healthUrl !== undefined && healthCommand !== undefined) throw usageError("--health-url and --health-command: say one of them");
  if (healthUrl !== undefined) return { health: { http: httpProbe(healthUrl) } };
  return healthCommand === undefined ? {} : { health: { exec: { command: { shell: healthCommand } } } };
}

function httpProbe(text: string): MessageInitShape<typeof HttpProbeSchema> {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isHttps = url?.protocol === "https:";
  if (!url || !(isHttps || url.protocol === "http:"))
    throw usageError(`--health-url: ${JSON.stringify(text)} is not like http://127.0.0.1:8080/health`);
  return {
    scheme: isHttps ? Scheme.HTTPS : Scheme.HTTP,
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: Number(url.port) || (isHttps ? 443 : 80),
    path: `${url.pathname}${url.search}`,
  };
}
