// npm test: everything there is to check. The last line says how it went.
import { spawnSync } from "node:child_process";
import { startVitest, type Vitest } from "vitest/node";
import { treeChecks } from "./check.ts";
import { environment, runSteps } from "./run-steps.ts";

process.env.PATH = environment().PATH;
process.env.PM_TEST_PROGRAMS = "dist";

const packages = spawnSync("scripts/install-debian-packages.sh", { stdio: ["ignore", "inherit", "inherit"] });
const failedSteps = await runSteps([{ name: "build", command: ["node", "scripts/build.ts"] }, ...treeChecks]);
const vitest = await startVitest("test", [], { watch: false });
const tests = countTests(vitest);
await vitest.close();

const failed = tests.failed + failedSteps + (packages.status === 0 ? 0 : 1);
console.log(`${tests.passed} passed, ${failed} failed${tests.skipped > 0 ? `, ${tests.skipped} skipped` : ""}`);
process.exitCode = failed === 0 ? 0 : 1;

/** A file that cannot be loaded, a hook that fails and an error that nobody awaited count as a failed test each. */
function countTests(vitest: Vitest): { passed: number; failed: number; skipped: number } {
  const count = { passed: 0, failed: vitest.state.getUnhandledErrors().length, skipped: 0 };
  for (const file of vitest.state.getTestModules()) {
    for (const test of file.children.allTests()) {
      const { state } = test.result();
      count[state === "pending" ? "failed" : state] += 1;
    }
    count.failed += file.errors().length;
    for (const suite of file.children.allSuites()) count.failed += suite.errors().length;
  }
  return count;
}
