import { join, parse, resolve } from "node:path";
import { defaultNamespace } from "../core/names.ts";
import type { StoredService } from "./store.ts";

type Named = Pick<StoredService, "namespace" | "name" | "spec">;

export interface LogPaths {
  readonly stdoutPath: string;
  readonly stderrPath: string;
}

/** Where an instance writes. Instance 0 has the file itself, instance 1 `out.1.log`, and so on. */
export function instanceLogPaths(service: Named, index: number, logDir: string): LogPaths {
  const { stdout, stderr } = service.spec.process.logs;
  const folder = serviceLogFolder(service, logDir);
  const pathFor = (own: string, name: string) =>
    numbered(own === "" ? join(folder, name) : resolve(service.spec.process.workingDirectory, own), index);
  return { stdoutPath: pathFor(stdout, "out.log"), stderrPath: pathFor(stderr, "err.log") };
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
