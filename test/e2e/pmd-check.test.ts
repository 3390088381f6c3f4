import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { pmdCommand } from "../support/daemon.ts";
import { runProgram } from "../support/run-program.ts";
import { makeTempDir } from "../support/temp-dir.ts";

it("a file that is right is said to be, with what it has", async () => {
  await using directory = makeTempDir();
  const path = join(directory.path, "pm.yaml");
  writeFileSync(path, `version: 1\nnamespace: prod\nservices: {web: {command: 'x \${FROM_HERE}'}, db: {command: x}}\n`);
  const env = { ...process.env, FROM_HERE: "1" };
  const right = { code: 0, stdout: `${path}: nothing is wrong: 2 services\n`, stderr: "" };
  expect(await check([path], { env })).toEqual(right);
  expect(await check(["-f", "pm.yaml"], { env, cwd: directory.path })).toEqual(right);
  expect(await check([directory.path], { env })).toEqual({ ...right, stdout: `${directory.path}: nothing is wrong: 2 services in 1 file\n` });
  const { code, stdout } = await check(["--json", path], { env });
  expect({ code, said: JSON.parse(stdout) }).toEqual({
    code: 0,
    said: {
      path,
      files: [path],
      services: [
        { name: "prod/web", file: path },
        { name: "prod/db", file: path },
      ],
      problems: [],
    },
  });
});

it("all that is wrong with the files of a directory is said, with file, line and column", async () => {
  await using directory = makeTempDir();
  const path = (name: string) => join(directory.path, name);
  writeFileSync(path("a.yaml"), "version: 1\nservices:\n  web: {comand: x}\n");
  writeFileSync(path("b.json"), '{"version": 1, "x y": 1}');
  expect(await check([directory.path])).toEqual({
    code: 1,
    stdout: [
      `${path("a.yaml")}:3:3 services.web: has no command\n`,
      `${path("a.yaml")}:3:9 services.web.comand: is no key that is known here; did you mean command?\n`,
      `${path("b.json")}:1:16 "x y": is no key that is known here\n`,
    ].join(""),
    stderr: "",
  });
  const { code, stdout } = await check(["--json", directory.path]);
  const { problems } = JSON.parse(stdout);
  expect({ code, problems }).toMatchObject({
    code: 1,
    problems: [
      { file: path("a.yaml"), line: 3, column: 3, path: "services.web", message: "has no command" },
      { file: path("a.yaml"), line: 3, column: 9, path: "services.web.comand" },
      { file: path("b.json"), line: 1, column: 16, path: '"x y"' },
    ],
  });
});

it("what cannot be read is wrong too, and a wrong call is another matter", async () => {
  await using directory = makeTempDir();
  const gone = join(directory.path, "gone.yaml");
  expect(await check([gone])).toEqual({ code: 1, stdout: "", stderr: `pmd check: cannot read ${gone}: no such file\n` });
  mkdirSync(gone);
  expect(await check([gone])).toMatchObject({ code: 1, stderr: expect.stringContaining("it has no file that ends in .yaml") });
  expect(await check([])).toMatchObject({ code: 2, stderr: expect.stringContaining("say which file") });
  expect(await check(["a", "-f", "b"])).toMatchObject({ code: 2, stderr: expect.stringContaining("one file at a time") });
  expect(await check(["-x"])).toMatchObject({ code: 2, stderr: expect.stringContaining('Try "pmd check --help"') });
  expect(await check(["--help"])).toMatchObject({ code: 0, stdout: expect.stringContaining("Usage: pmd check") });
});

it("pmd schema prints the schema that editors read", async () => {
  const { code, stdout } = await runProgram([...pmdCommand, "schema"]);
  expect({ code, schema: JSON.parse(stdout) }).toEqual({ code: 0, schema: JSON.parse(readFileSync("proto/manifest.schema.json", "utf8")) });
  expect(await runProgram([...pmdCommand, "schema", "--help"])).toMatchObject({ code: 0, stdout: expect.stringContaining("Usage: pmd schema") });
  expect(await runProgram([...pmdCommand, "schema", "x"])).toMatchObject({ code: 2, stderr: expect.stringContaining('Try "pmd schema --help"') });
});

function check(args: readonly string[], options: Parameters<typeof runProgram>[1] = {}) {
  return runProgram([...pmdCommand, "check", ...args], options);
}
