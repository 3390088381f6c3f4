import { displayName, serviceKey } from "../core/names.ts";
import { type PmError, pathInUse } from "../errors.ts";
import { instanceLogPaths, type LogBases } from "./log-paths.ts";
import type { StoredService } from "./store.ts";
import type { SupervisedService } from "./supervised-service.ts";

type Writer = Pick<StoredService, "namespace" | "name" | "spec">;

/** A log file has one writer: which of the services that are wanted would write where another of them does, or one that is there. */
export function findPathConflicts(wanted: readonly Writer[], present: Iterable<SupervisedService>, bases: LogBases): PmError[] {
  const conflicts: PmError[] = [];
  const keys = new Set<string>();
  const writers = new Map<string, string>();
  for (const service of wanted) {
    const key = serviceKey(service.namespace, service.name);
    const { stdoutPath, stderrPath } = instanceLogPaths(service, 0, bases);
    const taken = [stdoutPath, stderrPath].find((path) => writers.has(path));
    if (stdoutPath === stderrPath) conflicts.push(pathInUse(stdoutPath, "its own stdout"));
    else if (taken !== undefined) conflicts.push(pathInUse(taken, writers.get(taken) ?? ""));
    keys.add(key);
    for (const path of [stdoutPath, stderrPath]) writers.set(path, displayName(key));
  }
  for (const service of present) {
    if (keys.has(service.key)) continue;
    const { stdoutPath, stderrPath } = service.logPaths;
    const taken = [stdoutPath, stderrPath].find((path) => writers.has(path));
    if (taken !== undefined) conflicts.push(pathInUse(taken, service.shownName));
  }
  return conflicts;
}
