// What a configuration file says, whatever it is written in: text, lists and mappings, each with its place.

/** Line and column count from 1. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export type Located = LocatedScalar | LocatedList | LocatedMap;

export interface LocatedScalar {
  readonly kind: "scalar";
  readonly at: Position;
  readonly value: string | number | boolean | null;
  /** As it is written: 1.10 is a number, and somebody may mean it as text. */
  readonly text: string;
}

export interface LocatedList {
  readonly kind: "list";
  readonly at: Position;
  readonly items: readonly Located[];
}

export interface LocatedMap {
  readonly kind: "map";
  readonly at: Position;
  readonly entries: readonly LocatedEntry[];
}

export interface LocatedEntry {
  readonly key: string;
  readonly keyAt: Position;
  /** As the file spells it, where that is not the key; empty for an entry that the file does not have, such as `process`. */
  readonly writtenAs?: string;
  readonly value: Located;
}

/** Something that is wrong with a file. */
export interface Problem {
  readonly at: Position;
  /** Where in the file's own words: `services.web.cwd`; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
}

export function shownPosition({ file, line, column }: Position): string {
  return `${file}:${line}:${column}`;
}

/** Where what is wrong with a file as a whole is told. */
export function startOf(file: string): { readonly at: Position; readonly path: string } {
  return { at: { file, line: 1, column: 1 }, path: "" };
}

export function childPath(parent: string, key: string): string {
  if (key === "") return parent;
  const word = /^[\w-]+$/.test(key) ? key : JSON.stringify(key);
  return parent === "" ? word : `${parent}.${word}`;
}

/** What a person would call it. */
export function kindOf(node: Located): string {
  if (node.kind === "map") return "a mapping";
  if (node.kind === "list") return "a list";
  if (node.value === null) return "nothing";
  return typeof node.value === "boolean" ? `${node.value}` : typeof node.value === "number" ? `the number ${node.text}` : "text";
}
