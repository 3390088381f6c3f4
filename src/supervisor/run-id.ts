import { randomBytes } from "node:crypto";

/** Fifteen characters, so that the log index can carry it: the time, so that they sort as they were made, and chance. */
export function newRunId(): string {
  const time = Date.now().toString(36).padStart(9, "0");
  return `${time}${randomBytes(4).readUInt32BE().toString(36).padStart(7, "0").slice(-6)}`;
}
