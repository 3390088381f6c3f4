import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { type FoundProcess, findProcesses } from "./find-processes.ts";

const tiersWithPrograms = ["e2e", "load", "chaos"];

/**
 * Before the first test: makes one place for whatever tests write, and builds the programs there if they will be run; `npm test` has built them
 * already, and says where. After the last: a test that was cut off could not clear up behind itself, so it is done here, aloud.
 */
export default function prepareTestRun({ name }: TestProject) {
  const isFirst = process.env.PM_TEST_PLACE === undefined;
  process.env.PM_TEST_PLACE ??= mkdtempSync(join(tmpdir(), "pm-"));
  const place = process.env.PM_TEST_PLACE;
  process.env.TMPDIR = place;
  if (tiersWithPrograms.includes(name)) process.env.PM_TEST_PROGRAMS ??= build(join(place, "programs"));
  if (!isFirst) return;
  return () => {
    const left = endEverything(place);
    rmSync(place, { recursive: true, force: true });
    if (left.length > 0) throw new Error(`tests left processes behind, which were killed:\n${left.join("\n")}`);
  };
}

function build(directory: string): string {
  execFileSync(process.execPath, ["scripts/build.ts", directory], { stdio: ["ignore", "ignore", "inherit"] });
  return directory;
}

function endEverything(place: string): string[] {
  const ended = new Set<string>();
  for (let left = findLeft(place); left.length > 0; left = findLeft(place)) {
    for (const { pid, command } of left) {
      ended.add(`${pid} ${command}`);
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended since it was found.
      }
    }
  }
  return [...ended];
}

/** The workers that ran the tests have the place in their environment too, and may still be on their way out. */
function findLeft(place: string): FoundProcess[] {
  return findProcesses([place]).filter(({ command }) => !command.includes("node_modules/vitest/"));
}
