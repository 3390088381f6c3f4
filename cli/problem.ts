import type { Problem } from "../gen/pm/v1/common_pb.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { safeLine } from "./safe-text.ts";

const exitsByReason: Readonly<Record<string, ExitCode>> = {
  INVALID_FIELD: exitCodes.usage,
  EMPTY_SELECTOR: exitCodes.usage,
  INVALID_CURSOR: exitCodes.usage,
  NOT_FOUND: exitCodes.notFound,
  SHUTTING_DOWN: exitCodes.unreachable,
  TIMED_OUT: exitCodes.timedOut,
  ALREADY_EXISTS: exitCodes.conflict,
  GENERATION_MISMATCH: exitCodes.conflict,
  OTHER_OWNER: exitCodes.conflict,
  PLAN_STALE: exitCodes.conflict,
};

export function exitCodeOf(reason: string): ExitCode {
  return exitsByReason[reason] ?? exitCodes.failed;
}

/** What all of them have in common, and the plain "an operation failed" where they differ. */
export function worstExitCode(reasons: readonly string[]): ExitCode {
  const [first, ...others] = new Set(reasons.map(exitCodeOf));
  return first === undefined ? exitCodes.ok : others.length > 0 ? exitCodes.failed : first;
}

/** The last lines of the program, which often tell why. */
export function problemDetails(problem: Problem): string[] {
  return problem.lastLines.map(safeLine);
}
