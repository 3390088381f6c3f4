import { ExitRecord_Cause as Cause, type ExitRecord, ExitRecord_CauseSchema } from "../gen/pm/v1/process_pb.ts";
import { spokenDuration } from "./figures.ts";
import { toMs } from "./quantities.ts";
import { safeText } from "./safe-text.ts";
import { enumWord } from "./words.ts";

/** In a column: `code 3`, `SIGKILL`, `spawn failed`. */
export function exitColumn(exit: ExitRecord | undefined): string {
  if (!exit) return "-";
  if (exit.cause === Cause.EXITED || exit.cause === Cause.SIGNALLED) return exit.signal || `code ${exit.code ?? "?"}`;
  return enumWord(ExitRecord_CauseSchema, exit.cause);
}

/** In a sentence: `exited with code 3 after 2 min 3 s`, `killed by SIGKILL`, `stopped by request`, `spawn failed: no such file`. */
export function exitSentence(exit: ExitRecord): string {
  const uptime = exit.uptime && toMs(exit.uptime) >= 1 ? ` after ${spokenDuration(toMs(exit.uptime))}` : "";
  const message = exit.message ? `: ${safeText(exit.message)}` : "";
  return `${howItEnded(exit)}${uptime}${message}`;
}

function howItEnded({ cause, code, signal }: ExitRecord): string {
  const how = signal ? `killed by ${safeText(signal)}` : code === undefined ? "ended" : `exited with code ${code}`;
  switch (cause) {
    case Cause.UNSPECIFIED:
    case Cause.EXITED:
    case Cause.SIGNALLED:
      return how;
    case Cause.SPAWN_FAILED:
    case Cause.LOST:
      return enumWord(ExitRecord_CauseSchema, cause);
    default:
      return `${enumWord(ExitRecord_CauseSchema, cause)} (${how})`;
  }
}
