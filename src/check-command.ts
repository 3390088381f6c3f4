import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { toSpec } from "./api/convert-spec.ts";
import { findViolations } from "./api/violations.ts";
import { InvalidManifest } from "./config/invalid-manifest.ts";
import { type LoadedManifest, loadManifest } from "./config/load-manifest.ts";
import { displayName, serviceKey } from "./core/names.ts";

// pmd check: what pmd would say of files, said without a daemon and without doing anything.

const exitCodes = { wrong: 1, usage: 2 } as const;

export const help = `pmd check reads files of services as pmd would, and says all that is wrong with them; it needs no daemon and changes nothing.

Usage: pmd check [-f] FILE|DIR [options]

  -f, --file FILE|DIR   a file, or a directory whose files are one manifest, as with pmd --config
  --json                what there is, and what is wrong, for programs
  --help

A line for each thing that is wrong goes to standard output: file:line:column, the key, and why. Variables such as \${HOME} are filled in from the
environment of pmd check, where a running pmd has its own.

Examples:
  pmd check pm.yaml
  pmd check -f /etc/pmd/conf.d --json | jq -r '.problems[].message'

Exit codes: 0 nothing is wrong, 1 something is wrong or cannot be read, 2 wrong usage
`;

export async function runCheck(argv: readonly string[]): Promise<void> {
  const request = readRequest(argv);
  if ("print" in request) {
    process.stdout.write(request.print);
    return;
  }
  try {
    const manifest = await loadManifest(request.path, { findViolations, toSpec });
    process.stdout.write(request.json ? jsonOf(manifest) : summaryOf(manifest));
  } catch (error) {
    process.exitCode = exitCodes.wrong;
    if (!(error instanceof InvalidManifest)) process.stderr.write(`pmd check: ${(error as Error).message}\n`);
    else process.stdout.write(request.json ? jsonOf({ path: request.path, files: [], services: [] }, error) : linesOf(error));
  }
}

type CheckRequest = { readonly path: string; readonly json: boolean } | { readonly print: string };

function readRequest(argv: readonly string[]): CheckRequest {
  try {
    return parseRequest(argv);
  } catch (error) {
    process.stderr.write(`pmd check: ${(error as Error).message}\nTry "pmd check --help".\n`);
    return process.exit(exitCodes.usage);
  }
}

function parseRequest(argv: readonly string[]): CheckRequest {
  const { values, positionals } = parseArgs({
    args: [...argv],
    strict: true,
    allowPositionals: true,
    options: {
      file: { type: "string", short: "f", multiple: true },
      json: { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) return { print: help };
  const [path, ...more] = [...(values.file ?? []), ...positionals];
  if (path === undefined) throw new Error("say which file, or which directory of files");
  if (more.length > 0) throw new Error(`${more.join(" ")}: one file at a time; several that belong together are a directory, or include each other`);
  return { path: resolve(path), json: values.json ?? false };
}

function summaryOf({ path, files, services }: LoadedManifest): string {
  const where = files.length === 1 && files[0] === path ? "" : ` in ${countOf(files.length, "file")}`;
  return `${path}: nothing is wrong: ${countOf(services.length, "service")}${where}\n`;
}

function countOf(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

function linesOf({ violations }: InvalidManifest): string {
  return violations.map(({ field, message }) => `${field}: ${message}\n`).join("");
}

function jsonOf({ path, files, namespace = "", services }: Partial<LoadedManifest>, error?: InvalidManifest): string {
  const named = (services ?? []).map(({ name, file }) => ({ name: displayName(serviceKey(namespace, name)), file }));
  const problems = (error?.problems ?? []).map(({ at, path, message }) => ({ ...at, path, message }));
  return `${JSON.stringify({ path, files, services: named, problems }, null, 2)}\n`;
}
