import fs from "node:fs";
import path from "node:path";
import { Failure } from "./failure.ts";
import { interpreters } from "./start-plan.ts";

/** What the user wants to run, in the user's words. */
export type Program =
  | { readonly type: "program"; readonly word: string; readonly args: readonly string[] }
  | { readonly type: "shell"; readonly line: string; readonly args: readonly string[] };

interface Place {
  readonly cwd: string;
  readonly searchPath: string;
}

/** The words that run it, wherever pmd stands: files as absolute paths, scripts behind their interpreter. */
export function resolveProgram(name: string, { word, args }: Program & { type: "program" }, { cwd, searchPath }: Place): string[] {
  const file = path.resolve(cwd, word);
  const interpreter = interpreters[path.extname(word)];
  const isHere = word.includes("/") || (interpreter !== undefined && isFile(file));
  if (!isHere) return [findProgram(name, word, searchPath), ...args];
  // What is wrong with it pmd will say, who has to run it; but a script that is missing would be its interpreter's complaint.
  if (interpreter === undefined) return [file, ...args];
  if (!isFile(file)) throw new Failure(`cannot start ${name}: ${word}: no such file`);
  if (isExecutable(file) && hasShebang(file)) return [file, ...args];
  return [findProgram(name, interpreter, searchPath), file, ...args];
}

function findProgram(name: string, program: string, searchPath: string): string {
  for (const directory of searchPath.split(":")) {
    const file = path.resolve(directory, program);
    if (isFile(file) && isExecutable(file)) return file;
  }
  throw new Failure(`cannot start ${name}: ${program}: not found on your PATH`);
}

export function isFile(file: string): boolean {
  return fs.statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;
}

function isExecutable(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function hasShebang(file: string): boolean {
  const head = Buffer.alloc(2);
  const descriptor = fs.openSync(file, "r");
  try {
    fs.readSync(descriptor, head, 0, 2, 0);
  } finally {
    fs.closeSync(descriptor);
  }
  return head.toString("latin1") === "#!";
}
