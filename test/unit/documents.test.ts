import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { machineTable } from "../support/machine-table.ts";

const documents = [
  ...readdirSync(".").filter((name) => name.endsWith(".md")),
  ...readdirSync("examples").map((name) => join("examples", name, "README.md")),
];

describe("ARCHITECTURE.md", () => {
  it("shows the machine as it is", () => {
    expect(readFileSync("ARCHITECTURE.md", "utf8")).toContain(`\`\`\`\n${machineTable()}\n\`\`\``);
  });
});

describe.each(documents)("%s", (path) => {
  const text = readFileSync(path, "utf8");

  it("names only files that there are", () => {
    const named = text.matchAll(/`((?:src|cli|test|proto|scripts|examples|gen)\/[^\s`*<>]*|[\w-]+\.(?:ts|json|sh|proto))`/g);
    const missing = [...named].map(([, name = ""]) => name).filter((name) => !isThere(name));
    expect(missing).toEqual([]);
  });

  it("links only to what there is", () => {
    const links = [...text.matchAll(/\]\(([^)]+)\)/g)]
      .map(([, target = ""]) => target.replace(/#.*/, ""))
      .filter((target) => !/^https?:|^$/.test(target));
    expect(links.filter((target) => !existsSync(join(dirname(path), target)))).toEqual([]);
  });
});

/** A bare name may be of any folder. */
function isThere(name: string): boolean {
  if (name.includes("/") || existsSync(name)) return existsSync(name);
  return ["src", "cli", "proto", "scripts"].some((root) => readdirSync(root, { recursive: true }).some((path) => String(path).endsWith(`/${name}`)));
}
