import { type LogSettings, pickLogSettings, type ServiceSpec } from "../core/spec.ts";

// The run directory, as pmd, the shim and the pump see it: `<runtime>/runs/<run id>/`. It is made elsewhere and published by rename, so it is
// there whole or not at all; it is renamed away before it is removed. It is the truth about a run: whoever finds one knows what to do with it.
//
//   out, err   FIFOs that the service writes to and the pump reads
//   go         FIFO by which pmd tells the waiting shim to begin
//   ack        FIFO by which the pump lets the shim go: everything has been taken
//   spec.json  what the run is, written before it is published
//   order      what the shim is to do to become it, written before it is published
//   shim       pid of the shim       \
//   pid        pid of the service     } written by the shim in one write; whole when they end with a newline
//   exit       status of the service /
//   out.eof    nobody holds the FIFO any more and everything of it has been written (pump)
//   err.eof
//   out.held   what a pump had in hand and could not write, because the disk was full, when it left (pump)
//   err.held

/** spec.json; for its owner only, for there are values of variables in it. */
export interface RunSpecFile {
  readonly runId: string;
  readonly bootId: string;
  readonly namespace: string;
  readonly service: string;
  readonly index: number;
  readonly generation: number;
  /** How many there were to be when it was started; an older pmd has not written it. */
  readonly instances?: number;
  /** Wall clock. */
  readonly startedAt: number;
  /** The directory of its cgroup; empty where there is none. */
  readonly cgroup: string;
  readonly logs: RunLogs;
  /** The TCP port that it was given. Absent where it needs none. */
  readonly port?: number;
  /** What the service was when this run was started: a pmd that has lost its store begins anew from here. */
  readonly definition: RunDefinition;
}

export interface RunLogs {
  readonly stdout: string;
  readonly stderr: string;
  readonly settings: LogSettings;
}

export interface RunDefinition {
  readonly spec: ServiceSpec;
  readonly source: string;
}

/** As this version has it, from what any version has written. */
export function readRunLogs({ stdout, stderr, settings, ...older }: RunLogs): RunLogs {
  return { stdout, stderr, settings: pickLogSettings(settings ?? older) };
}

/** The content of a file that the shim writes, or undefined while it is not whole. */
export function wholeLine(content: string): string | undefined {
  return content.endsWith("\n") ? content.slice(0, -1) : undefined;
}

/** What spec.json says; undefined where that is not what a pmd has written: it was cut, or is somebody else's. */
export function parseRunSpec(text: string): RunSpecFile | undefined {
  let spec: unknown;
  try {
    spec = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(spec)) return undefined;
  const { logs, definition } = spec;
  const whole =
    ["runId", "bootId", "namespace", "service", "cgroup"].every((field) => typeof spec[field] === "string") &&
    ["index", "generation", "startedAt"].every((field) => Number.isSafeInteger(spec[field])) &&
    isObject(logs) &&
    typeof logs.stdout === "string" &&
    typeof logs.stderr === "string" &&
    isObject(definition) &&
    isObject(definition.spec) &&
    isObject(definition.spec.process);
  return whole ? (spec as unknown as RunSpecFile) : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
