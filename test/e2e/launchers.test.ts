import { symlinkSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { expect, it } from "vitest";
import pkg from "../../package.json" with { type: "json" };
import { runProgram } from "../support/run-program.ts";
import { makeTempDir } from "../support/temp-dir.ts";

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

it("the launcher of pmd gives an older Node no flags that it would complain of", async () => {
  await using folder = makeTempDir();
  const node = `#!/bin/sh
case $1 in
--version) echo v20.20.2 ;;
--*) echo "Warning: disabling flag" >&2 ;;
*) exec "${process.execPath}" --require "${preload}" "$@" ;;
esac`;
  writeFileSync(join(folder.path, "node"), node, { mode: 0o755 });
  const env = { PATH: `${folder.path}:${process.env.PATH}` };
  const { code, stderr } = await runProgram([join(programs, "pmd"), "--version"], { env });
  expect({ code, stderr }).toEqual({ code: 2, stderr: `pmd needs Node.js 24 or newer; this is v20.20.2 (${process.execPath})\n` });
});

it.each(Object.entries(pkg.bin))("%s runs as it is published, by a link in a folder of programs", async (name, path) => {
  await using folder = makeTempDir();
  const link = join(folder.path, name);
  symlinkSync(resolve(programs, basename(path)), link);
  const env = { PATH: process.env.PATH, HOME: folder.path };
  const { code, stdout, stderr } = await runProgram([link, "--version"], { env });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(new RegExp(`^(${name} )?\\d+\\.\\d+\\.\\d+\\n$`));
});
