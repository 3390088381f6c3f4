/** What the user asked for, resolved: defaults in, units parsed, frozen. Everything below the API and the file loader speaks this. */
export interface ServiceSpec {
  readonly process: ProcessSpec;
  readonly instances: number;
  readonly autostart: boolean;
  readonly restart: RestartPolicy;
  readonly start: StartSpec;
  readonly reload?: ReloadSpec;
  /** Passes when it can do its work. Without a liveness check it also says when it has to be restarted. */
  readonly health?: HealthCheck;
  /** Fails when it has to be restarted. */
  readonly liveness?: HealthCheck;
  /** Restart, when absent. */
  readonly onUnhealthy?: OnUnhealthy;
  /** Restarted when its processes together use more memory. */
  readonly restartAboveBytes?: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly description: string;
  /** By the names of services of its namespace; absent when it depends on none. */
  readonly dependsOn?: Readonly<Record<string, Dependency>>;
  /** Services of its namespace that it starts after and stops before; absent when there are none. */
  readonly after?: readonly string[];
}

/** What a service needs of another. */
export interface Dependency {
  readonly condition: "started" | "healthy" | "completed" | "completed_ok";
  readonly onLoss: "stop" | "restart" | "ignore";
  readonly required: boolean;
}

export interface ProcessSpec {
  readonly command: Command;
  /** Absolute; empty is the home directory of the user who runs it. */
  readonly workingDirectory: string;
  readonly environment: Environment;
  readonly stop: StopSpec;
  readonly logs: LogSpec;
  readonly port?: PortSpec;
}

/** A range of TCP ports: the instances take them by number, or at each start the first that is free. */
export interface PortSpec {
  readonly first: number;
  readonly last: number;
  readonly auto: boolean;
}

export interface Command {
  /** Exactly one of argv and shell says something. */
  readonly argv: readonly string[];
  readonly shell: string;
  readonly args: readonly string[];
}

export interface Environment extends EnvironmentLayer {
  readonly inherit: boolean;
  /** What comes before its own, the first lowest; absent where there is none. */
  readonly shared?: readonly EnvironmentLayer[];
}

/** Of one layer the variables come after the files. */
export interface EnvironmentLayer {
  readonly vars: Readonly<Record<string, string>>;
  readonly files: readonly { readonly path: string; readonly optional: boolean }[];
}

export interface StopSpec {
  /** A canonical name: SIGTERM. */
  readonly signal: string;
  readonly command?: Command;
  readonly graceMs: number;
}

export interface LogSpec extends LogSettings {
  /** Empty is the default place. */
  readonly stdout: string;
  readonly stderr: string;
  /** Files that the service writes by itself. */
  readonly hints: readonly string[];
}

/** What holds for one log file, and what was set aside of it. */
export interface LogSettings {
  readonly rotateBytes: number;
  readonly interval: "none" | "minutely" | "hourly" | "daily" | "weekly" | "monthly";
  readonly backups: number;
  /** 0 is without a limit. */
  readonly maxAgeMs: number;
  readonly compress: "none" | "zstd" | "gzip";
  /** Of all its files; 0 is without a limit. */
  readonly totalBytes: number;
  readonly onFull: "drop" | "block";
}

export interface RestartPolicy {
  readonly mode: "always" | "on-failure" | "never";
  readonly delayMs: number;
  readonly maxDelayMs: number;
  /** A part of the delay: 0.2 is ±20 %. */
  readonly jitter: number;
  readonly resetAfterMs: number;
  /** Absent: never gives up. */
  readonly maxRestarts?: number;
  readonly windowMs: number;
  readonly successExitCodes: readonly number[];
}

export interface StartSpec {
  readonly settleMs: number;
  readonly timeoutMs: number;
}

export type ReloadSpec = { readonly signal: string } | { readonly command: Command };

export interface HealthCheck {
  readonly probe: Probe;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** So many bad results in a row and it is unhealthy. */
  readonly retries: number;
  /** So many good results in a row and it is healthy. */
  readonly successes: number;
  /** Until it has been healthy once, bad results do not count for so long. */
  readonly startPeriodMs: number;
}

/** One way to ask. */
export type Probe =
  | HttpProbe
  | { readonly type: "tcp"; readonly host: string; readonly port: number }
  | { readonly type: "exec"; readonly command: Command }
  | { readonly type: "grpc"; readonly host: string; readonly port: number; readonly service: string }
  | { readonly type: "log_line"; readonly contains: string };

export interface HttpProbe {
  readonly type: "http";
  readonly scheme: "http" | "https";
  readonly host: string;
  readonly port: number;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly statusMin: number;
  readonly statusMax: number;
  /** In the body; empty: whatever it says. */
  readonly body: string;
  readonly tlsSkipVerify: boolean;
}

export type OnUnhealthy = "restart" | "none" | { readonly signal: string };

const logSettings: LogSettings = {
  rotateBytes: 10 * 1024 * 1024,
  interval: "none",
  backups: 10,
  maxAgeMs: 14 * 86_400_000,
  compress: "zstd",
  totalBytes: 0,
  onFull: "drop",
};

/** The numbers of the documents, in one place. */
export const defaults = {
  restart: {
    mode: "always",
    delayMs: 500,
    maxDelayMs: 60_000,
    jitter: 0.2,
    resetAfterMs: 60_000,
    windowMs: 600_000,
    successExitCodes: [],
  } satisfies RestartPolicy,
  start: { settleMs: 1000, timeoutMs: 60_000 } satisfies StartSpec,
  stop: { signal: "SIGTERM", graceMs: 10_000 } satisfies StopSpec,
  /** With a health check it is up when that passes, and nothing is to be gained by waiting. */
  settleWithHealthMs: 0,
  health: { intervalMs: 10_000, timeoutMs: 3000, retries: 3, successes: 1, startPeriodMs: 60_000 } satisfies Omit<HealthCheck, "probe">,
  probe: { host: "127.0.0.1", method: "GET", path: "/", statusMin: 200, statusMax: 399 },
  logs: { stdout: "", stderr: "", hints: [] as readonly string[], ...logSettings } satisfies LogSpec,
} as const;

/** Without the places: what the pump has to know of a file. An older pmd has written fewer of these words, and the defaults stand for the rest. */
export function pickLogSettings(from: Partial<LogSettings>): LogSettings {
  const { rotateBytes, interval, backups, maxAgeMs, compress, totalBytes, onFull } = { ...logSettings, ...from };
  return { rotateBytes, interval, backups, maxAgeMs, compress, totalBytes, onFull };
}

/** The program and its arguments as they are executed: a shell line becomes /bin/sh -c. */
export function commandArgv(command: Command): string[] {
  if (command.shell === "") return [...command.argv, ...command.args];
  return ["/bin/sh", "-c", command.shell, "sh", ...command.args];
}
