import { accessSync, closeSync, constants, openSync, readSync, statSync } from "node:fs";
import { isAbsolute, resolve } from "node:path";
import { commandArgv, type ProcessSpec } from "../core/spec.ts";
import { childEnvironment, homeDirectory } from "./child-environment.ts";
import { reasonOf } from "./reason-of.ts";

/**
 * Why this process could not be started, in words that name the right file. Node would report a missing working directory as a missing
 * program, and a shell would only say 127.
 */
export function findObstacle(spec: ProcessSpec): string | undefined {
  try {
    findEnvironment(spec);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** The environment of a process that can be started now; throws what stands in the way. */
export function findEnvironment({ command, environment, workingDirectory }: ProcessSpec): Record<string, string> {
  const directory = workingDirectory || homeDirectory();
  checkDirectory(directory);
  const variables = childEnvironment(environment, directory, {});
  const [program = ""] = commandArgv(command);
  checkInterpreter(findProgram(program, directory, variables.PATH ?? ""));
  return variables;
}

function checkDirectory(path: string): void {
  try {
    if (!statSync(path).isDirectory()) throw new Error(`working directory ${path}: not a directory`);
    accessSync(path, constants.X_OK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === undefined) throw error;
    throw new Error(`working directory ${path}: ${code === "ENOENT" ? "no such directory" : reasonOf(code)}`);
  }
}

function findProgram(program: string, directory: string, path: string): string {
  if (program.includes("/")) {
    const file = isAbsolute(program) ? program : resolve(directory, program);
    const problem = programProblem(file);
    if (problem) throw new Error(`${program}: ${problem}`);
    return file;
  }
  let forbidden: string | undefined;
  for (const folder of path.split(":")) {
    const file = `${isAbsolute(folder) ? folder : resolve(directory, folder)}/${program}`;
    const problem = programProblem(file);
    if (!problem) return file;
    if (!problem.startsWith("no such file")) forbidden ??= `${file}: ${problem}`;
  }
  throw new Error(forbidden ?? `${program}: not found on PATH (exit 127)`);
}

function programProblem(file: string): string | undefined {
  try {
    // Most folders of a PATH do not have it, and an error costs more than an answer.
    const stats = statSync(file, { throwIfNoEntry: false });
    if (!stats) return "no such file (exit 127)";
    if (stats.isDirectory()) return "is a directory (exit 126)";
    accessSync(file, constants.X_OK);
    return undefined;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") return "no such file (exit 127)";
    return code === "EACCES" ? "not executable (exit 126)" : `${reasonOf(code)} (exit 126)`;
  }
}

/** A script whose interpreter is missing fails with "no such file", and the file that people then look at is there. */
function checkInterpreter(file: string): void {
  const head = readHead(file);
  const interpreter = /^#![ \t]*(\S+)/.exec(head)?.[1];
  if (!interpreter) return;
  const problem = programProblem(interpreter);
  if (problem) throw new Error(`${file}: its interpreter ${interpreter}: ${problem}`);
}

function readHead(file: string): string {
  const buffer = Buffer.alloc(256);
  let descriptor: number;
  try {
    descriptor = openSync(file, "r");
  } catch {
    return ""; // executable but not readable is allowed
  }
  try {
    return buffer.toString("latin1", 0, readSync(descriptor, buffer));
  } finally {
    closeSync(descriptor);
  }
}
