/** Reasons that a caller can act on. Everything else is a plain Error: it is logged, and the client sees `internal error`. */
export const reasons = [
  "INVALID_FIELD",
  "EMPTY_SELECTOR",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "WRONG_STATE",
  "SPAWN_FAILED",
  "EXITED_EARLY",
  "TIMED_OUT",
  "SUPERSEDED",
  "SURVIVORS",
  "NO_RELOAD_METHOD",
  "PATH_IN_USE",
  "GENERATION_MISMATCH",
  "CURSOR_EXPIRED",
  "INVALID_CURSOR",
  "LIMIT_REACHED",
  "SHUTTING_DOWN",
  "STORE_UNAVAILABLE",
  "PUMP_UNAVAILABLE",
  "RELOAD_FAILED",
  "PORT_IN_USE",
  "DEPENDENCY_DOWN",
  "HAS_DEPENDENTS",
  "OTHER_OWNER",
  "PLAN_STALE",
] as const;
export type Reason = (typeof reasons)[number];

export interface Violation {
  /** As in the proto: `spec.process.stop.signal`. */
  readonly field: string;
  readonly message: string;
}

export class PmError extends Error {
  readonly reason: Reason;
  /** Every value of the message, so that nobody has to take it apart. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly violations: readonly Violation[];
  /** The last lines of the program, when they may tell why. */
  readonly lastLines: readonly string[];

  constructor(
    reason: Reason,
    message: string,
    more: { metadata?: Record<string, string>; violations?: readonly Violation[]; lastLines?: readonly string[]; cause?: unknown } = {},
  ) {
    super(message, { cause: more.cause });
    this.name = "PmError";
    this.reason = reason;
    this.metadata = more.metadata ?? {};
    this.violations = more.violations ?? [];
    this.lastLines = more.lastLines ?? [];
  }
}

export function invalidFields(violations: readonly Violation[]): PmError {
  const message = violations.map(({ field, message }) => (field === "" ? message : `${field}: ${message}`)).join("; ");
  return new PmError("INVALID_FIELD", message, { violations });
}

export function emptySelector(): PmError {
  return new PmError("EMPTY_SELECTOR", "the selector says nothing: give names, labels, states or a source, or set all");
}

export function serviceNotFound(name: string, similar: readonly string[] = []): PmError {
  const hint = similar.length > 0 ? `; did you mean ${similar.join(" or ")}?` : "";
  return new PmError("NOT_FOUND", `no service is named ${JSON.stringify(name)}${hint}`, { metadata: { name } });
}

export function instanceNotFound(name: string, instances: number): PmError {
  return new PmError("NOT_FOUND", `${name} does not exist: the service has ${instances} instances, from #0`, {
    metadata: { name, instances: String(instances) },
  });
}

export function logsNotFound(name: string, logDir: string, similar: readonly string[]): PmError {
  const hint = similar.length > 0 ? `; did you mean ${similar.join(" or ")}?` : `; "pmd logs" lists what is there`;
  return new PmError("NOT_FOUND", `no logs of ${JSON.stringify(name)} below ${logDir}${hint}`, { metadata: { name } });
}

export function runNotFound(run: string): PmError {
  return new PmError("NOT_FOUND", `there is no run ${run}: none that is selected has had so many`, { metadata: { run } });
}

export function serviceExists(name: string): PmError {
  return new PmError("ALREADY_EXISTS", `${name} exists already: change it with update, or delete it first`, { metadata: { name } });
}

/** A file cannot take over what was made over the API. */
export function definedElsewhere(name: string, source: string): PmError {
  return new PmError("ALREADY_EXISTS", `${name} in ${source} was made over the API already: delete it, or name it differently`, {
    metadata: { name, source },
  });
}

/** Of several the first speaks for its reason, and the message is of all. */
export function allOf(errors: readonly [PmError, ...PmError[]]): PmError {
  const [first, ...others] = errors;
  if (others.length === 0) return first;
  return new PmError(first.reason, errors.map(({ message }) => message).join("; "), { metadata: { ...first.metadata }, cause: first });
}

/** What a file defines is changed there, and what another owner made is not a file's to change. */
export function otherOwner(name: string, owner: string): PmError {
  const whose = owner === "" ? "was made over the API" : `belongs to ${owner}`;
  return new PmError("OTHER_OWNER", `${name} ${whose}: change it there, or use force`, { metadata: { name, owner } });
}

export function planStale(expected: string, actual: string): PmError {
  return new PmError("PLAN_STALE", `services or the file have changed since the plan ${expected} was made: look at it again`, {
    metadata: { expected, actual },
  });
}

/** Generation 0 is the one before the present one. */
export function revisionNotFound(name: string, generation: number, known: readonly number[]): PmError {
  const wanted = generation === 0 ? "no earlier revision" : `no revision ${generation}`;
  return new PmError("NOT_FOUND", `${name} has ${wanted}: what is known is ${known.join(", ")}`, {
    metadata: { name, generation: String(generation) },
  });
}

export function wrongState(name: string, state: string, what: string): PmError {
  return new PmError("WRONG_STATE", `${what} ${name}: it is ${state}`, { metadata: { name, state } });
}

export function signalFailed(name: string, signal: string, cause: unknown): PmError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new PmError("WRONG_STATE", `cannot send ${signal} to ${name}: ${why}`, { metadata: { name, signal, cause: why }, cause });
}

export function reloadFailed(name: string, code: number): PmError {
  return new PmError("RELOAD_FAILED", `cannot reload ${name}: its reload command exited with code ${code}`, {
    metadata: { name, code: String(code) },
  });
}

export function spawnFailed(name: string, why: string): PmError {
  return new PmError("SPAWN_FAILED", `cannot start ${name}: ${why}`, { metadata: { name, cause: why } });
}

export function exitedEarly(name: string, how: string, lastLines: readonly string[]): PmError {
  return new PmError("EXITED_EARLY", `${name} ${how} before it was ready`, { metadata: { name, exit: how }, lastLines });
}

/** `complaint` says why what runs is not ready. */
export function timedOut(name: string, state: string, seconds: number, complaint?: string): PmError {
  const still = complaint === undefined ? `is still ${state} after ${seconds} s` : `is ${state} and not ready after ${seconds} s: ${complaint}`;
  const metadata = { name, state, seconds: String(seconds), ...(complaint !== undefined && { complaint }) };
  return new PmError("TIMED_OUT", `${name} ${still}; the work goes on`, { metadata });
}

/** It goes on waiting, and is started when what it waits for is ready. */
export function dependencyDown(name: string, dependency: string, reason: string): PmError {
  return new PmError("DEPENDENCY_DOWN", `cannot start ${name}: it ${reason}; it starts by itself when ${dependency} is ready`, {
    metadata: { name, dependency, cause: reason },
  });
}

export function hasDependents(name: string, dependents: readonly string[]): PmError {
  const list = dependents.join(", ");
  return new PmError("HAS_DEPENDENTS", `cannot delete ${name}: ${list} would miss it; delete those too, or change them first`, {
    metadata: { name, dependents: list },
  });
}

export function superseded(name: string, by: string): PmError {
  return new PmError("SUPERSEDED", `${name}: a newer ${by} took over`, { metadata: { name, by } });
}

export function survivors(name: string, pids: readonly number[]): PmError {
  const list = pids.join(" ");
  return new PmError("SURVIVORS", `cannot stop ${name}: SIGKILL did not end ${list}; pmd keeps trying`, { metadata: { name, pids: list } });
}

export function noReloadMethod(name: string): PmError {
  return new PmError("NO_RELOAD_METHOD", `${name} has no way to reload: set reload.signal or reload.command in its spec, or restart it`, {
    metadata: { name },
  });
}

export function pathInUse(path: string, owner: string): PmError {
  return new PmError("PATH_IN_USE", `${path} is written by ${owner} already: give each its own file`, { metadata: { path, owner } });
}

export function portInUse(port: number, owner: string): PmError {
  return new PmError("PORT_IN_USE", `port ${port} belongs to ${owner} already: give each its own, or one of them a range with auto`, {
    metadata: { port: String(port), owner },
  });
}

export function generationMismatch(name: string, expected: number, actual: number): PmError {
  return new PmError("GENERATION_MISMATCH", `${name} is at generation ${actual}, not ${expected}: read it again`, {
    metadata: { name, expected: String(expected), actual: String(actual) },
  });
}

export function cursorExpired(): PmError {
  return new PmError("CURSOR_EXPIRED", "the cursor belongs to a history that is gone: start without one");
}

export function invalidCursor(): PmError {
  return new PmError("INVALID_CURSOR", "the cursor was not made by this server for this request: start without one");
}

export function limitReached(what: string, limit: number): PmError {
  return new PmError("LIMIT_REACHED", `at most ${limit} ${what}`, { metadata: { what, limit: String(limit) } });
}

export function shuttingDown(): PmError {
  return new PmError("SHUTTING_DOWN", "pmd is going down: try again when it is back");
}

export function storeUnavailable(cause: unknown): PmError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new PmError("STORE_UNAVAILABLE", `cannot write the store: ${why}; nothing was changed`, { metadata: { cause: why }, cause });
}

export function pumpUnavailable(): PmError {
  return new PmError("PUMP_UNAVAILABLE", "the log pump does not answer; pmd is starting another: try again");
}
