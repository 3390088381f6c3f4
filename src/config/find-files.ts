import { readdirSync, statSync } from "node:fs";
import { extname, join } from "node:path";
import { UnreadableFile } from "./read-text.ts";

const extensions = [".yaml", ".yml", ".json", ".toml"];

/** The files that a path stands for: itself, or, of a directory, those in it that are of services, by name. Hidden ones are not. */
export function findFiles(path: string): string[] {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return [path];
  const files = readdirSync(path)
    .filter((name) => extensions.includes(extname(name)) && !name.startsWith("."))
    .map((name) => join(path, name))
    .filter((file) => !statSync(file, { throwIfNoEntry: false })?.isDirectory());
  if (files.length === 0) throw new UnreadableFile(`cannot read ${path}: it has no file that ends in ${extensions.join(", ")}`);
  return files.sort((a, b) => (a < b ? -1 : 1));
}
