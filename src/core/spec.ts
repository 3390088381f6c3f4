/** What the user asked for, resolved: defaults in, units parsed, frozen. Everything below the API and the file loader speaks this. */
export interface ServiceSpec {
  readonly process: ProcessSpec;
  readonly instances: number;
  readonly autostart: boolean;
  readonly restart: RestartPolicy;
  readonly start: StartSpec;
  readonly reload?: ReloadSpec;
  readonly labels: Readonly<Record<string, string>>;
  readonly description: string;
}

export interface ProcessSpec {
  readonly command: Command;
  /** Absolute; empty is the home directory of the user who runs it. */
  readonly workingDirectory: string;
  readonly environment: Environment;
  readonly stop: StopSpec;
  readonly logs: LogSpec;
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
