import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { startDaemon } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { getService, isRunning } from "../support/specs.ts";
import { makeTempDir } from "../support/temp-dir.ts";

it("the services of all files of a directory run, each with what its file says for all, and belong to the directory", async () => {
  await using directory = makeTempDir();
  const path = (name: string) => join(directory.path, name);
  mkdirSync(path("conf"));
  writeFileSync(path("conf/all.env"), "FROM_FILE=file\nFROM_VARS=file\n");
  const write = "echo $FROM_FILE $FROM_VARS $OWN";
  writeFileSync(
    path("conf/a.yaml"),
    [
      "version: 1",
      "include: ../more/c.yaml",
      "env_file: all.env",
      "env: {FROM_VARS: vars, OWN: vars}",
      "defaults: {start: {settle: 20ms}}",
      `services: {a: {command: "${write} $\{FROM_PMD} >a.out; exec sleep 1000", env: {OWN: own}}}`,
    ].join("\n"),
  );
  mkdirSync(path("more"));
  writeFileSync(path("more/c.yaml"), `version: 1\nservices: {c: {command: "${write} >c.out; exec sleep 1000"}}\n`);
  writeFileSync(path("conf/b.json"), JSON.stringify({ version: 1, services: { b: { command: `${write} >b.out; exec sleep 1000` } } }));

  await using daemon = await startDaemon({ args: ["--config", path("conf")], env: { FROM_PMD: "pmd" } });
  const outputs = { "conf/a.out": "file vars own pmd\n", "conf/b.out": "\n", "more/c.out": "file vars vars\n" };
  for (const [name, text] of Object.entries(outputs)) {
    await eventually(() => existsSync(path(name)) && readFileSync(path(name), "utf8") === text);
  }
  for (const name of ["a", "b", "c"]) {
    expect((await getService(daemon, name)).source).toBe(path("conf"));
    await eventually(() => isRunning(daemon, name));
  }
});
