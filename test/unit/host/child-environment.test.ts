import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
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

describe("a value that says where the value is", () => {
  const value = (text: string, directory = "/") => childEnvironment({ ...none, vars: { KEY: text } }, directory, {}).KEY;

  test.for([
    ["@base64://aGFsbG8K", "hallo\n"],
    ["@base64://aGFsbG8", "hallo"],
    ["@base64://Pz8_Pj4-", "???>>>"],
    ["@base64://", ""],
    ["@hex://6869C3A4", "hiä"],
    ["@@file:///etc/passwd", "@file:///etc/passwd"],
    ["@@base64://aA", "@base64://aA"],
    ["@@@hex://61", "@@hex://61"],
    ["@file:/etc/passwd", "@file:/etc/passwd"],
    ["@FILE:///etc/passwd", "@FILE:///etc/passwd"],
    ["@home", "@home"],
    ["@@home", "@@home"],
    [" @hex://61", " @hex://61"],
  ] as const)("%j is %j", ([text, expected]) => {
    expect(value(text)).toBe(expected);
  });

  test("is the content of a file without the newline at its end, read each time, relative to the working directory", async () => {
    await using directory = makeTempDir();
    const path = join(directory.path, "key");
    symlinkSync(path, join(directory.path, "link"));
    for (const [content, expected] of [
      ["one\n", "one"],
      ["two\r\n", "two"],
      ["a\nb\n\n", "a\nb\n"],
      ["", ""],
      ["x".repeat(65_536), "x".repeat(65_536)],
    ] as const) {
      writeFileSync(path, content);
      expect(value(`@file://${path}`)).toBe(expected);
      expect(value("@file://./key", directory.path)).toBe(expected);
      expect(value("@file://link", directory.path)).toBe(expected);
    }
    expect(value("@file:///proc/self/comm")).not.toBe("");
  });

  test("is one among the shared variables too, and none in a file of variables", async () => {
    await using directory = makeTempDir();
    writeFileSync(join(directory.path, ".env"), "B=@hex://61\n");
    const environment = { ...none, files: [{ path: ".env", optional: false }], shared: [{ vars: { A: "@hex://61" }, files: [] }] };
    expect(childEnvironment(environment, directory.path, {})).toMatchObject({ A: "a", B: "@hex://61" });
  });

  test.for([
    ["that is not there", () => undefined, "no such file; make it, or write @@file:// for a value that is to begin so"],
    ["that is a directory", (path: string) => mkdirSync(path), "it is no regular file, and only such are read"],
    ["that is a FIFO", (path: string) => void execFileSync("mkfifo", [path]), "it is no regular file, and only such are read"],
    ["that links to itself", (path: string) => symlinkSync(path, path), "too many symbolic links; pmd has to be able to read it"],
    ["that is too large", (path: string) => writeFileSync(path, "x".repeat(65_537)), "it has more than the 65536 bytes that are read for a variable"],
    ["with a NUL byte", (path: string) => writeFileSync(path, "secret\0"), "has a NUL byte, and would end there"],
    ["that is no text", (path: string) => writeFileSync(path, Buffer.from([0x73, 0xff])), "is no UTF-8 text"],
  ] as [string, (path: string) => void, string][])("is an error with variable and path for a file %s", async ([, make, why]) => {
    await using directory = makeTempDir();
    const path = join(directory.path, "key");
    make(path);
    expect(() => value(`@file://${path}`)).toThrow(new Error(`variable KEY: ${path}: ${why}`));
  });

  test.for([
    ["@base64://secret!", "has no base64 after @base64://"],
    ["@base64://abcde", "has no base64 after @base64://"],
    [`@base64://${"A".repeat(87_384)}`, "stands for more than 65536 bytes"],
    ["@hex://6", "has no hexadecimal digits after @hex://, two for each byte"],
    ["@hex://secret", "has no hexadecimal digits after @hex://, two for each byte"],
    [`@hex://${"61".repeat(65_537)}`, "stands for more than 65536 bytes"],
    ["@hex://00", "has a NUL byte, and would end there"],
    ["@hex://ff", "is no UTF-8 text"],
    ["@file://", "names no file: write a path after @file://"],
  ] as const)("is an error that does not repeat it: %.20s", ([text, why]) => {
    expect(() => value(text)).toThrow(new Error(`variable KEY: ${why}`));
  });
});
