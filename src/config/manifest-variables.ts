import { dirname, resolve } from "node:path";
import { parseEnv } from "node:util";
import { interpolate, type LookUp, type Variables } from "./interpolate.ts";
import { childPath, type Located, type LocatedEntry, type LocatedMap, type Position } from "./located.ts";
import { readText } from "./read-text.ts";
import { manifest } from "./sugar.ts";

// What ${…} stands for is looked up in the order of the environment of a service, last word first: the variables at the top of the file, the
// files named there, and what was there before. A variable at the top sees those above it, so `PATH: /opt/bin:${PATH}` is what it looks like.

/** The file with its variables written out, and what others, that it includes, find in it. */
export function interpolateManifest(root: Located, file: string, outer: Variables): { readonly root: Located; readonly lookUp: LookUp } {
  const own = new Map<string, string>();
  let files: readonly NamedFile[] = [];
  let fromFiles: ReadonlyMap<string, string> | undefined;
  const lookUp: LookUp = (name) => own.get(name) ?? valuesOfFiles().get(name) ?? outer.lookUp(name);
  const variables = { ...outer, lookUp };
  const written = manifest(root);
  if (written.kind !== "map") return { root: interpolate(written, "", variables), lookUp };
  const isEnvironment = ({ key }: LocatedEntry) => key === "environment";
  const environment = written.entries.filter(isEnvironment).map(environmentOf);
  return { root: { ...written, entries: [...environment, ...written.entries.filter((entry) => !isEnvironment(entry)).map(plain(""))] }, lookUp };

  function plain(parent: string): (entry: LocatedEntry) => LocatedEntry {
    return (entry) => ({ ...entry, value: interpolate(entry.value, pathOf(entry, parent), variables) });
  }

  function environmentOf(entry: LocatedEntry): LocatedEntry {
    const path = pathOf(entry, "");
    if (entry.value.kind !== "map") return plain("")(entry);
    const isVars = ({ key }: LocatedEntry) => key === "vars";
    const others = entry.value.entries.filter((inner) => !isVars(inner)).map(plain(path));
    files = others.filter(({ key }) => key === "files").flatMap(({ key, writtenAs, value }) => namedFiles(value, childPath(path, writtenAs ?? key)));
    const vars = entry.value.entries.filter(isVars).map((inner) => ({ ...inner, value: varsOf(inner.value, pathOf(inner, path)) }));
    return { ...entry, value: { ...entry.value, entries: [...others, ...vars] } };
  }

  function varsOf(node: Located, path: string): Located {
    if (node.kind === "list") return { ...node, items: node.items.map((item, index) => pairOf(interpolate(item, `${path}[${index}]`, variables))) };
    if (node.kind !== "map") return interpolate(node, path, variables);
    return { ...node, entries: node.entries.map((entry) => remember(plain(path)(entry))) };
  }

  function remember(entry: LocatedEntry): LocatedEntry {
    if (entry.value.kind === "scalar" && entry.value.value !== null) own.set(entry.key, entry.value.text);
    return entry;
  }

  function pairOf(item: Located): Located {
    const [, name, value] = (item.kind === "scalar" && /^([^=]+)=(.*)$/s.exec(item.text)) || [];
    if (name !== undefined && value !== undefined) own.set(name, value);
    return item;
  }

  /** Read only when somebody asks: a file that is missing is of no concern before the start. */
  function valuesOfFiles(): ReadonlyMap<string, string> {
    if (fromFiles) return fromFiles;
    const values = new Map<string, string>();
    fromFiles = values;
    for (const { path, optional, at, said } of files) {
      try {
        for (const [name, value = ""] of Object.entries(parseEnv(readText(resolve(dirname(file), path))))) values.set(name, value);
      } catch (error) {
        const { message, cause } = error as Error;
        if (!optional || (cause as NodeJS.ErrnoException | undefined)?.code !== "ENOENT") outer.problems.push({ at, path: said, message });
      }
    }
    return values;
  }
}

interface NamedFile {
  readonly path: string;
  readonly optional: boolean;
  readonly at: Position;
  /** Where the file says so. */
  readonly said: string;
}

function namedFiles(node: Located, path: string): NamedFile[] {
  if (node.kind !== "list") return [];
  return node.items.flatMap((item, index) => {
    const named = item.kind === "map" ? find(item, "path") : item;
    const optional = item.kind === "map" ? find(item, "optional") : undefined;
    if (named?.kind !== "scalar") return [];
    return { path: named.text, optional: optional?.kind === "scalar" && optional.value === true, at: item.at, said: `${path}[${index}]` };
  });
}

function find(map: LocatedMap, key: string): Located | undefined {
  return map.entries.find((entry) => entry.key === key)?.value;
}

function pathOf(entry: LocatedEntry, parent: string): string {
  return childPath(parent, entry.writtenAs ?? entry.key);
}
