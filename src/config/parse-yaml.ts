import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type ParsedNode,
  parseDocument,
  type YAMLMap,
} from "yaml";
import { childPath, type Located, type LocatedEntry, type Position, type Problem } from "./located.ts";
import { findDeepNesting, maxDepth } from "./nesting.ts";

/** With all aliases written out: a file of hundreds of services has a few thousand. */
const maxValues = 500_000;

export interface ParsedText {
  /** Undefined when the text says nothing, or nothing that can be read. */
  readonly root: Located | undefined;
  readonly problems: Problem[];
}

/** Reads YAML, and so JSON too. `file` is where the text is from. */
export function parseYaml(text: string, file: string): ParsedText {
  const positionAt = positionsIn(text, file);
  const deep = findDeepNesting(text);
  if (deep !== undefined) return { root: undefined, problems: [{ at: positionAt(deep), path: "", message: tooDeep }] };
  const document = parseDocument(text, { prettyErrors: false, uniqueKeys: false, logLevel: "error" });
  const bare = document.errors.find(({ pos: [at] }) => at > 0 && text.startsWith("${", at - 1));
  if (bare) return { root: undefined, problems: [{ at: positionAt(bare.pos[0] - 1), path: "", message: bareVariable }] };
  const problems = [...document.errors, ...document.warnings].map(({ message, pos }) => ({
    at: positionAt(pos[0]),
    path: "",
    message: lowerFirst(message),
  }));
  // What the parser makes of a text that it could not read would only raise more problems.
  if (document.errors.length > 0) return { root: undefined, problems };
  return { root: locate(document, positionAt, problems), problems };
}

const tooDeep = `is nested deeper than ${maxDepth} levels`;

/** YAML reads the brace as the beginning of a mapping, and stumbles over what comes then. */
const bareVariable = "a variable within {} or [] has to stand in quotes";

type PositionAt = (offset: number) => Position;

function positionsIn(text: string, file: string): PositionAt {
  const lines = new LineCounter();
  lines.addNewLine(0);
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) lines.addNewLine(at + 1);
  return (offset) => {
    const { line, col } = lines.linePos(offset);
    return { file, line, column: col };
  };
}

function lowerFirst(message: string): string {
  return message.charAt(0).toLowerCase() + message.slice(1);
}

/** Turns the parser's nodes into ours: aliases written out, keys as text, each key once. */
function locate(document: Document.Parsed, positionAt: PositionAt, problems: Problem[]): Located | undefined {
  const anchors = new Map<string, Node>();
  const open = new Set<Node>();
  let values = 0;
  return document.contents ? nodeOf(document.contents, "", 1) : undefined;

  function nodeOf(node: ParsedNode | Node, path: string, depth: number): Located | undefined {
    const at = placeOf(node);
    if (depth > maxDepth) return report(at, path, tooDeep);
    if (++values > maxValues)
      return values === maxValues + 1 ? report(at, path, `says more than ${maxValues} values, aliases written out`) : undefined;
    if (isAlias(node)) return aliasOf(node, path, depth);
    if (node.anchor) anchors.set(node.anchor, node);
    if (open.has(node)) return report(at, path, "contains itself");
    open.add(node);
    const located = contentOf(node, at, path, depth);
    open.delete(node);
    return located;
  }

  function contentOf(node: Node, at: Position, path: string, depth: number): Located | undefined {
    if (isMap(node)) return { kind: "map", at, entries: entriesOf(node, path, depth) };
    if (isSeq(node)) {
      const items = node.items.map((item, index) => nodeOf(item as Node, `${path}[${index}]`, depth + 1));
      return { kind: "list", at, items: items.filter((item) => item !== undefined) };
    }
    if (!isScalar(node)) return undefined;
    const value = node.value as string | number | boolean | null;
    return { kind: "scalar", at, value, text: typeof value === "string" ? value : (node.source ?? String(value)) };
  }

  function aliasOf(alias: Alias, path: string, depth: number): Located | undefined {
    const target = anchors.get(alias.source);
    if (!target) return report(placeOf(alias), path, `no anchor is named ${alias.source} before this line`);
    return nodeOf(target, path, depth);
  }

  function entriesOf(map: YAMLMap, path: string, depth: number): LocatedEntry[] {
    const entries = new Map<string, LocatedEntry>();
    for (const pair of map.items) {
      const keyNode = pair.key as Node;
      const keyAt = placeOf(keyNode);
      if (!isScalar(keyNode)) {
        report(keyAt, path, "has a key that is no text");
        continue;
      }
      const key = typeof keyNode.value === "string" ? keyNode.value : (keyNode.source ?? "");
      const first = entries.get(key);
      if (first) {
        report(keyAt, childPath(path, key), `is there already, in line ${first.keyAt.line}`);
        continue;
      }
      const value = pair.value ? nodeOf(pair.value as Node, childPath(path, key), depth + 1) : nothingAt(keyAt);
      if (value) entries.set(key, { key, keyAt, value });
    }
    return [...entries.values()];
  }

  function placeOf(node: Node): Position {
    return positionAt(node.range?.[0] ?? 0);
  }

  function report(at: Position, path: string, message: string): undefined {
    problems.push({ at, path, message });
  }
}

function nothingAt(at: Position): Located {
  return { kind: "scalar", at, value: null, text: "" };
}
