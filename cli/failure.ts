import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { paint, type Screen } from "./screen.ts";

/** The end of a verb that could not do its work, in the words that the user shall read. */
export class Failure extends Error {
  readonly exitCode: ExitCode;
  /** Lines to show indented below the message. */
  readonly details: readonly string[];

  constructor(message: string, exitCode: ExitCode = exitCodes.failed, details: readonly string[] = []) {
    super(message);
    this.name = "Failure";
    this.exitCode = exitCode;
    this.details = details;
  }
}

export function usageError(message: string): Failure {
  return new Failure(message, exitCodes.usage);
}

/** On standard error, with the details indented below. */
export function printFailure(err: Screen, message: string, details: readonly string[] = []): void {
  err.write(`${paint(err, "red", "error:")} ${message}\n`);
  for (const line of details) err.write(`  ${paint(err, "dim", "|")} ${line}\n`);
}
