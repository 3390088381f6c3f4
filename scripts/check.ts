// npm run check: everything that needs no daemon, in less than a minute.
import { runSteps, type Step } from "./run-steps.ts";

/** What must hold of the tree as it stands, beside its tests. */
export const treeChecks: readonly Step[] = [
  { name: "types", command: ["tsc", "-p", "."] },
  { name: "lint, format and import rules", command: ["biome", "check", "--error-on-warnings"] },
  { name: "third-party protos are those of their packages", command: ["node", "scripts/vendor-protos.ts", "--check"] },
  { name: "proto lint", command: ["buf", "lint"] },
  { name: "proto format", command: ["buf", "format", "--diff", "--exit-code", "--path", "proto/pm"] },
  { name: "generated code is fresh", command: ["node", "scripts/check-generated.ts"] },
  { name: "no breaking change of the API", command: ["node", "scripts/check-breaking.ts"] },
];

if (import.meta.main) {
  const failed = await runSteps([{ name: "unit tests", command: ["vitest", "run", "--project", "unit"] }, ...treeChecks]);
  process.exitCode = failed === 0 ? 0 : 1;
}
