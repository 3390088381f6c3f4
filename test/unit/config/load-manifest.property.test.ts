import fc from "fast-check";
import { expect, test } from "vitest";
import { toSpec } from "../../../src/api/convert-spec.ts";
import { findViolations } from "../../../src/api/violations.ts";
import { readManifest } from "../../../src/config/load-manifest.ts";
import { PmError } from "../../../src/errors.ts";

const words = [
  "version",
  "services",
  "defaults",
  "environment",
  "web",
  "command",
  "env",
  "env_file",
  "restart",
  "stop",
  "signal",
  "grace",
  "logs",
  "rotate",
  "size",
  "labels",
  "cwd",
];
const values = [
  "1",
  "5s",
  "x",
  "always",
  "10MiB",
  "null",
  "~",
  "true",
  "-1",
  "0x1F",
  "'",
  '"',
  "&a",
  "*a",
  "[",
  "]",
  "{",
  "}",
  "|",
  "!t",
  "@",
  "\t",
  "%",
  "---",
  "${A}",
  "${B:-",
  "$$",
  "#",
];
const piece = fc.oneof(
  fc.constantFrom(...words),
  fc.constantFrom(...values),
  fc.constantFrom(": ", "- ", ", ", "\n", "\n  ", "\n    ", " "),
  fc.string({ maxLength: 3 }),
);

test("whatever a file says, it becomes specs or problems that have a place", { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 60 }), async (pieces) => {
      await expectSpecsOrProblems(pieces.join(""));
    }),
    { numRuns: 2000 },
  );
});

test("whatever is written for a key, it becomes specs or problems that have a place", { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.dictionary(fc.constantFrom(...words, "__proto__"), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 6 }), async (service) => {
      await expectSpecsOrProblems(JSON.stringify({ version: 1, services: { web: service }, defaults: service, env: service }));
    }),
    { numRuns: 2000 },
  );
});

async function expectSpecsOrProblems(text: string): Promise<void> {
  const result = await readManifest(text, "/pm.yaml", { findViolations, toSpec }, { A: "1" }).catch((error) => error);
  if (!(result instanceof Error)) return expect(result.services).toBeInstanceOf(Array);
  if (!(result instanceof PmError)) throw result;
  expect(result.violations.length).toBeGreaterThan(0);
  for (const { field, message } of result.violations) {
    expect(field).toMatch(/^\/pm\.yaml:\d+:\d+( |$)/);
    expect(message).not.toBe("");
  }
}
