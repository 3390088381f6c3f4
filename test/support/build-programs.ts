import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Builds what the tests run, once and into a directory of its own; `npm test` has built already, and says where. */
export default function buildPrograms() {
  if (process.env.PM_TEST_PROGRAMS) return;
  const directory = mkdtempSync(join(tmpdir(), "pm-programs-"));
  execFileSync(process.execPath, ["scripts/build.ts", directory], { stdio: ["ignore", "ignore", "inherit"] });
  process.env.PM_TEST_PROGRAMS = directory;
  return () => rmSync(directory, { recursive: true });
}
