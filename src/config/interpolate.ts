import { parseReference } from "../core/value-reference.ts";
import { childPath, type Located, type LocatedScalar, type Problem } from "./located.ts";

// ${VAR} and ${VAR:-default} in values, and $$ for one dollar. Keys are left alone: a file has the same services everywhere. Whatever else
// stands in braces is refused rather than handed on, for it would mean something else to whoever sees it: ${VAR%.*} is a word of the shell.
// A dollar before anything else is a dollar.

/** Undefined: it has no value. */
export type LookUp = (name: string) => string | undefined;

export interface Variables {
  readonly lookUp: LookUp;
  readonly problems: Problem[];
  readonly budget: Budget;
}

/** What variables may still add: a few lines that name each other twice would fill the memory. */
export interface Budget {
  characters: number;
  exceeded: boolean;
}

const maxCharacters = 16 * 1024 * 1024;

export function fullBudget(): Budget {
  return { characters: maxCharacters, exceeded: false };
}

export function interpolate(node: Located, path: string, variables: Variables): Located {
  switch (node.kind) {
    case "scalar":
      return typeof node.value === "string" && node.value.includes("$") ? interpolateText(node, path, variables) : node;
    case "list":
      return { ...node, items: node.items.map((item, index) => interpolate(item, `${path}[${index}]`, variables)) };
    case "map":
      return {
        ...node,
        entries: node.entries.map((entry) => ({
          ...entry,
          value: interpolate(entry.value, childPath(path, entry.writtenAs ?? entry.key), variables),
        })),
      };
  }
}

function interpolateText(node: LocatedScalar, path: string, { lookUp, problems, budget }: Variables): LocatedScalar {
  if (budget.exceeded) return node;
  const text = node.text.replace(/\$(?:\$|\{([^}]*)(\}?))/g, (written, body: string | undefined, end: string) => {
    const value = body === undefined ? "$" : expand(end === "" ? "" : body, written);
    budget.characters -= value.length;
    return budget.characters < 0 ? "" : value;
  });
  if (budget.characters < 0) {
    budget.exceeded = true;
    report(`says more than ${maxCharacters} characters, variables written out`);
  }
  return { ...node, text, value: valueFrom(text) };

  function expand(body: string, written: string): string {
    const [form, name = "", otherwise] = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s.exec(body) ?? [];
    if (form === undefined || otherwise?.includes("${")) {
      return report(`${shorten(written)} is no form that is read here: write \${VAR} or \${VAR:-default}, and $$ for a dollar that is meant as one`);
    }
    const value = lookUp(name);
    if (value !== undefined && parseReference(value) && written !== node.text) return report(readLater(name));
    if (otherwise !== undefined) return value || otherwise.replaceAll("$$", "$");
    return value ?? report(noValue(name));
  }

  function report(message: string): "" {
    problems.push({ at: node.at, path, message });
    return "";
  }
}

function readLater(name: string): string {
  return `\${${name}} is read from somewhere else when a process is started, and can be the whole of a value, but no part of one`;
}

function noValue(name: string): string {
  return `\${${name}} has no value, neither in the environment of pmd nor in \`env\` at the top of the file: set it, write \${${name}:-default}, or $\${${name}} for what is not pmd's to fill in`;
}

/** A number may come from a variable too. For text it does not matter: that is as it is written. */
function valueFrom(text: string): LocatedScalar["value"] {
  if (text === "true" || text === "false") return text === "true";
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
