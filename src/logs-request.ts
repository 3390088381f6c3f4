import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { parseDuration } from "./core/duration.ts";
import { defaultPlaces } from "./settings.ts";

/** What `pmd logs` was asked, resolved once. */
export interface LogsRequest {
  readonly logDir: string;
  readonly runtimeDir: string;
  /** Of services and instances; none asks for a list. */
  readonly names: readonly string[];
  /** Undefined is all. */
  readonly tail: number | undefined;
  readonly sinceMs: number | undefined;
  readonly untilMs: number | undefined;
  readonly grep: string;
  readonly ignoreCase: boolean;
  /** Empty is both. */
  readonly streams: readonly ("stdout" | "stderr")[];
  readonly timestamps: boolean;
  readonly raw: boolean;
}

const defaultLines = 50;
const mostLines = 100_000;

export const help = `pmd logs shows what services wrote, from the files, whether or not a pmd runs; without a name it lists what can be read.

Usage: pmd logs [NAME...] [options]

  NAME                  a service (web, prod/web) or an instance (web#1)
  -n, --lines COUNT     how many of the last lines that are asked for, or all (50; with --since all)
  --since TIME          not before this time: 10m, 2026-11-21T10:00:00Z
  --until TIME          not after this time
  --grep TEXT           only lines with this text in them
  -i, --ignore-case     large and small letters are alike, for --grep
  --stdout, --stderr    only standard output, only standard error
  -t, --timestamps      show when each line was read
  --raw                 the bytes as they were written, without names and with escape sequences
  --log-dir DIR         what services write                    (as pmd --help says)
  --runtime-dir DIR     what is running: services with log files at places of their own are found there
  --help

Examples:
  pmd logs
  pmd logs web -n 100
  pmd logs web --since 10m --grep timeout -i
  pmd logs prod/web#1 --stderr -n all --raw > web.err

Exit codes: 0 shown, 1 failed, 2 wrong usage, 4 no logs of that name, 8 not permitted
`;

/** The text to print instead, or the request. Throws an Error that says what is wrong with the arguments. */
export function parseLogsRequest(argv: readonly string[], nowMs: number): LogsRequest | { readonly print: string } {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  const { values, positionals } = parseArgs({
    args: [...argv],
    strict: true,
    allowPositionals: true,
    options: {
      lines: { type: "string", short: "n" },
      since: text,
      until: text,
      grep: text,
      "ignore-case": { type: "boolean", short: "i" },
      stdout: flag,
      stderr: flag,
      timestamps: { type: "boolean", short: "t" },
      raw: flag,
      "log-dir": text,
      "runtime-dir": text,
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) return { print: help };
  const { grep = "", "ignore-case": ignoreCase = false, since, until, raw = false, timestamps = false } = values;
  if (ignoreCase && grep === "") throw new Error("-i: say what to look for with --grep");
  if (raw && timestamps) throw new Error("--raw and -t: say one of them");
  const sinceMs = since === undefined ? undefined : parseTime("--since", since, nowMs);
  const untilMs = until === undefined ? undefined : parseTime("--until", until, nowMs);
  if (sinceMs !== undefined && untilMs !== undefined && sinceMs > untilMs)
    throw new Error("--since and --until: the second is before the first, so that no line is asked for");
  const places = defaultPlaces();
  return {
    logDir: resolve(values["log-dir"] ?? places.logDir),
    runtimeDir: resolve(values["runtime-dir"] ?? places.runtimeDir),
    names: positionals,
    tail: values.lines === undefined ? (since === undefined ? defaultLines : undefined) : parseLines(values.lines),
    sinceMs,
    untilMs,
    grep,
    ignoreCase,
    streams: [...(values.stdout ? (["stdout"] as const) : []), ...(values.stderr ? (["stderr"] as const) : [])],
    timestamps,
    raw,
  };
}

function parseLines(text: string): number | undefined {
  if (text === "all") return undefined;
  if (!/^\d{1,6}$/.test(text) || Number(text) > mostLines) throw new Error(`-n ${text}: give a number from 0 to ${mostLines}, or all`);
  return Number(text);
}

/** How long ago, or a date, with or without a time; without an offset as the clock on the wall here has it. */
function parseTime(option: string, text: string, nowMs: number): number {
  const ago = parseDuration(text);
  if (ago !== undefined) return nowMs - ago;
  const dated = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:\d\d)?)?$/i.exec(text);
  const at = dated ? Date.parse(`${dated[1]}T${dated[2] ?? "00:00"}${(dated[3] ?? "").toUpperCase()}`) : Number.NaN;
  if (Number.isNaN(at)) throw new Error(`${option} ${text}: say how long ago (10m, 2h30m) or when (2026-11-21T10:00:00Z, "2026-11-21 10:00")`);
  return at;
}
