import type { LogSettings } from "../../src/core/spec.ts";

/** Nothing is done to the files unless a test says so. */
export const plainSettings: LogSettings = {
  rotateBytes: 0,
  interval: "none",
  backups: 1000,
  maxAgeMs: 0,
  compress: "none",
  totalBytes: 0,
  onFull: "drop",
};
