import { readFileSync } from "node:fs";
import { type UserInfo, userInfo } from "node:os";
import { resolve } from "node:path";
import { parseEnv } from "node:util";
import type { Environment } from "../core/spec.ts";
import { readValue } from "./read-value.ts";
import { reasonOf } from "./reason-of.ts";

const basePath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** They speak to pmd itself or to the one who started it: a service that inherited them would answer in its place. */
const notForChildren = /^(NOTIFY_SOCKET|WATCHDOG_(PID|USEC)|LISTEN_.*|JOURNAL_STREAM|INVOCATION_ID|NODE_OPTIONS|NODE_CHANNEL_.*|PMCTL_.*)$/;

/** Order: base or pmd's own, layer by layer files and variables, pmd's words about the run. Throws when what is to be read for it cannot be read. */
export function childEnvironment(environment: Environment, workingDirectory: string, own: Record<string, string>): Record<string, string> {
  const layers = [...(environment.shared ?? []), environment].flatMap(({ files, vars }) => [
    ...files.map((file) => readEnvFile(resolve(workingDirectory, file.path), file.optional)),
    readValues(vars, workingDirectory),
  ]);
  return Object.assign(environment.inherit ? inherited() : cleanBase(), ...layers, own);
}

function readValues(vars: Readonly<Record<string, string>>, directory: string): Record<string, string> {
  return Object.fromEntries(Object.entries(vars).map(([name, value]) => [name, readValue(name, value, directory)]));
}

let known: UserInfo<string> | undefined;

/** Looked up once: it is asked for at each start, and may come from a directory service. */
function user(): UserInfo<string> {
  known ??= userInfo();
  return known;
}

/** Where a process runs that does not say. */
export function homeDirectory(): string {
  return process.env.HOME || user().homedir;
}

function cleanBase(): Record<string, string> {
  const { username, shell } = user();
  const base: Record<string, string> = {
    PATH: process.env.PATH || basePath,
    HOME: homeDirectory(),
    USER: username,
    LOGNAME: username,
    SHELL: shell || "/bin/sh",
    LANG: process.env.LANG || "C.UTF-8",
  };
  if (process.env.TZ) base.TZ = process.env.TZ;
  return base;
}

function inherited(): Record<string, string> {
  const entries = Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined && !notForChildren.test(entry[0]));
  return Object.fromEntries(entries);
}

function readEnvFile(path: string, optional: boolean): Record<string, string> {
  try {
    return parseEnv(readFileSync(path, "utf8")) as Record<string, string>;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (optional && code === "ENOENT") return {};
    throw new Error(`env file ${path}: ${reasonOf(code)}`);
  }
}
