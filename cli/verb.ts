import type { Command } from "commander";
import type { ExitCode } from "./exit-codes.ts";
import type { Call, Session } from "./session.ts";

/** A verb as its file in commands/ says it: what it takes, how it is used, and what it does. */
export interface Verb<Options = object> {
  /** As commander writes them: `<name>`, `[names...]`. */
  readonly operands?: string;
  /** More than the summary, for its own help. */
  readonly description?: string;
  /** Two to four; what stands behind a `#` says what it does. */
  readonly examples: readonly string[];
  addOptions?(command: Command): void;
  run(session: Session, call: Call<Options>): Promise<ExitCode>;
}
