import path from "node:path";
import { usageError } from "./failure.ts";
import type { Program } from "./program-path.ts";

// `pmctl start web` starts a service that is known, `pmctl start ./app.js` makes one. Which of them is meant is decided here, by the words alone
// and, where a word could be both, by whether it is a script that is there.

export interface StartWords {
  readonly operands: readonly string[];
  readonly rest: readonly string[] | undefined;
  readonly name: string | undefined;
  readonly shell: string | undefined;
}

export type StartPlan =
  | { readonly type: "start"; readonly names: readonly string[] }
  | { readonly type: "create"; readonly name: string; readonly program: Program };

export function planStart(words: StartWords, isFile: (path: string) => boolean): StartPlan {
  const { operands, rest, name, shell } = words;
  const [first, ...others] = operands;
  if (shell !== undefined) {
    if (first !== undefined) throw usageError(`--shell and ${first}: say one of them; arguments of the line go behind "--"`);
    return { type: "create", name: name ?? missingName("--shell"), program: { type: "shell", line: shell, args: rest ?? [] } };
  }
  const isCreate = name !== undefined || rest !== undefined || (first !== undefined && isScript(first, isFile));
  if (!isCreate) return { type: "start", names: operands };
  if (others.length > 0) {
    throw usageError(
      `${first} and ${others.join(" ")}: a new service has one program, and its arguments go behind "--": pmctl start ${first} -- ${others.join(" ")}`,
    );
  }
  if (first !== undefined) return { type: "create", name: name ?? nameOf(first), program: { type: "program", word: first, args: rest ?? [] } };
  const [word, ...args] = rest ?? [];
  if (word === undefined)
    throw usageError(
      `say what to run: pmctl start ./app.js${name ? ` --name ${name}` : ""}, or pmctl start --name ${name ?? "web"} -- PROGRAM ARGS...`,
    );
  return { type: "create", name: name ?? missingName(`-- ${word}`), program: { type: "program", word, args } };
}

/** By extension; a file with a `#!` line that may be executed needs none of them. */
export const interpreters: Readonly<Record<string, string>> = {
  ".js": "node",
  ".mjs": "node",
  ".cjs": "node",
  ".ts": "node",
  ".py": "python3",
  ".sh": "sh",
  ".rb": "ruby",
  ".pl": "perl",
  ".php": "php",
};

function isScript(word: string, isFile: (path: string) => boolean): boolean {
  // `prod/web` is a service of another namespace as long as there is no such file.
  if (/^(\.{0,2}|~)\//.test(word)) return true;
  return (word.includes("/") || path.extname(word) in interpreters) && isFile(word);
}

function nameOf(program: string): string {
  const base = path.basename(program);
  const extension = path.extname(base);
  return extension in interpreters ? base.slice(0, -extension.length) : base;
}

function missingName(what: string): never {
  throw usageError(`a new service needs a name: pmctl start --name NAME ${what}`);
}
