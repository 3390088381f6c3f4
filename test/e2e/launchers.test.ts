import { join, resolve } from "node:path";
import { expect, it } from "vitest";
import { runProgram } from "../support/run-program.ts";

const programs = process.env.PM_TEST_PROGRAMS ?? "dist";
const preload = resolve("test/fixtures/older-node.cjs");

it.each(["pmd", "pmctl"])("%s says which Node it needs when an older one runs it", async (name) => {
  const { code, stdout, stderr } = await runProgram([process.execPath, "--require", preload, join(programs, `${name}.js`), "--version"]);
  expect({ code, stdout, stderr }).toEqual({
    code: 2,
    stdout: "",
    stderr: `${name} needs Node.js 24 or newer; this is v20.20.2 (${process.execPath})\n`,
  });
});

it.each(["pmd", "pmctl"])("%s runs as it is published", async (name) => {
  const { code, stdout, stderr } = await runProgram([process.execPath, join(programs, `${name}.js`), "--version"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(new RegExp(`^(${name} )?\\d+\\.\\d+\\.\\d+\\n$`));
});
