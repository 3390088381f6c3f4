import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { childEnvironment } from "../../../src/host/child-environment.ts";
import { makeTempDir } from "../../support/temp-dir.ts";

const none = { vars: {}, files: [], inherit: false };

describe("the environment of a service", () => {
  test("is made of layers: base, shared files, shared variables, files, variables, and what pmd says of the run", async () => {
    await using directory = makeTempDir();
    const names = ["LANG", "SHARED_FILE", "SHARED_VAR", "INNER_FILE", "INNER_VAR", "FILE", "VAR", "NAME"];
    /** Each layer sets its own name and all of those after it. */
    const from = (layer: string) => names.slice(names.indexOf(layer)).map((name) => [name, layer] as const);
    const file = (layer: string) => {
      const lines = from(layer).map(([name, value]) => `${name}=${value}\n`);
      writeFileSync(join(directory.path, layer), lines.join(""));
      return { path: layer, optional: false };
    };
    const vars = (layer: string) => Object.fromEntries(from(layer));
    const environment = {
      vars: vars("VAR"),
      files: [file("FILE")],
      inherit: false,
      shared: [
        { vars: vars("SHARED_VAR"), files: [file("SHARED_FILE")] },
        { vars: vars("INNER_VAR"), files: [file("INNER_FILE")] },
      ],
    };
    const made = childEnvironment(environment, directory.path, { NAME: "NAME" });
    expect(made).toMatchObject(Object.fromEntries(names.slice(1).map((name) => [name, name])));
    expect(made.LANG).not.toBe("");
    expect(childEnvironment(none, directory.path, {}).SHARED_VAR).toBeUndefined();
  });
});
