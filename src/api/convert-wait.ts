import { Wait_Level as Level, type Wait } from "../../gen/pm/v1/common_pb.ts";
import { toMs } from "./convert-time.ts";

export type WaitLevel = "accepted" | "started" | "ready";

/** How far a verb goes before it answers; how long at most, if the caller said so. */
export function toWait(wait: Wait | undefined): { level: WaitLevel; timeoutMs?: number } {
  const level = toLevel(wait?.level ?? Level.UNSPECIFIED);
  return wait?.timeout ? { level, timeoutMs: toMs(wait.timeout) } : { level };
}

function toLevel(level: Level): WaitLevel {
  switch (level) {
    case Level.ACCEPTED:
      return "accepted";
    case Level.STARTED:
      return "started";
    default:
      return "ready";
  }
}
