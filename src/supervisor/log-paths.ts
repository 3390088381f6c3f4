import { join, parse, relative, resolve } from "node:path";
import { defaultNamespace, instanceKey, serviceKey } from "../core/names.ts";
import { type LogSettings, pickLogSettings } from "../core/spec.ts";
import type { StoredService } from "./store.ts";

type Named = Pick<StoredService, "namespace" | "name" | "spec">;

/** Where logs are that a spec does not place, or not in full. */
export interface LogBases {
  readonly logDir: string;
  /** The working directory of a service that names none. */
  readonly homeDir: string;
}

export interface LogPaths {
  readonly stdoutPath: string;
  readonly stderrPath: string;
}

/** One file that an instance writes. */
export interface LogSource {
  readonly instance: string;
  readonly stream: "stdout" | "stderr";
  readonly path: string;
  readonly settings: LogSettings;
}

/** A file that a service writes by itself. */
export interface LogHint {
  /** In full: `default/web`. */
  readonly service: string;
  readonly path: string;
}

export function instanceLogSources(service: Named, index: number, bases: LogBases): LogSource[] {
  const { stdoutPath, stderrPath } = instanceLogPaths(service, index, bases);
  const settings = pickLogSettings(service.spec.process.logs);
  const common = { instance: instanceKey(serviceKey(service.namespace, service.name), index), settings };
  return [
    { ...common, stream: "stdout", path: stdoutPath },
    { ...common, stream: "stderr", path: stderrPath },
  ];
}

/** Where an instance writes. Instance 0 has the file itself, instance 1 `out.1.log`, and so on. */
export function instanceLogPaths(service: Named, index: number, { logDir, homeDir }: LogBases): LogPaths {
  const { stdout, stderr } = service.spec.process.logs;
  const folder = serviceLogFolder(service, logDir);
  const pathFor = (own: string, name: string) => numbered(own === "" ? join(folder, name) : resolve(whereItRuns(service, homeDir), own), index);
  return { stdoutPath: pathFor(stdout, "out.log"), stderrPath: pathFor(stderr, "err.log") };
}

/** Files that the service writes by itself, one and the same for all its instances. */
export function hintPaths(service: Named, { homeDir }: LogBases): string[] {
  const { hints } = service.spec.process.logs;
  return [...new Set(hints.map((hint) => resolve(whereItRuns(service, homeDir), hint)))];
}

function whereItRuns({ spec }: Named, homeDir: string): string {
  return spec.process.workingDirectory || homeDir;
}

/** The way back: whose file at its default place this is. Undefined for whatever else may be there. */
export function parseLogPath(path: string, logDir: string): Pick<LogSource, "instance" | "stream"> | undefined {
  const match = /^(?:@([^/]+)\/)?([^/@][^/]*)\/(out|err)(?:\.([1-9]\d{0,3}))?\.log$/.exec(relative(logDir, path));
  if (!match) return undefined;
  const [, namespace = defaultNamespace, name = "", file, index = "0"] = match;
  return { instance: instanceKey(serviceKey(namespace, name), Number(index)), stream: file === "out" ? "stdout" : "stderr" };
}

/** `@` begins no name, so that the folder of a namespace is never that of a service. */
function serviceLogFolder({ namespace, name }: Named, logDir: string): string {
  return namespace === defaultNamespace ? join(logDir, name) : join(logDir, `@${namespace}`, name);
}

function numbered(path: string, index: number): string {
  if (index === 0) return path;
  const { dir, name, ext } = parse(path);
  return join(dir, `${name}.${index}${ext}`);
}
