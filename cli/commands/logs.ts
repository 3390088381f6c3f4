import type { MessageInitShape } from "@bufbuild/protobuf";
import { type LogEntry, LogEntrySchema, type LogGap, LogService, LogStream, type ReadLogsRequestSchema } from "../../gen/pm/v1/log_service_pb.ts";
import { isConnectionLoss } from "../connection-loss.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { Failure, usageError } from "../failure.ts";
import { follow } from "../follow.ts";
import { printJsonLines } from "../json-output.ts";
import { LogPrinter } from "../log-printer.ts";
import { formatOf, named, type OutputOptions, outputOptions, selectorHelp, selectorOptions } from "../options.ts";
import { parseCount, parseTime, timestampOf, toMs } from "../quantities.ts";
import { safeText } from "../safe-text.ts";
import { type SelectorOptions, selectorForRead } from "../selector.ts";
import { clientOf, promptly, type Session } from "../session.ts";
import { showFile } from "../show-file.ts";
import type { Verb } from "../verb.ts";

export interface LogsOptions extends SelectorOptions, OutputOptions {
  readonly follow?: boolean;
  readonly lines?: number;
  readonly since?: string;
  readonly until?: string;
  readonly grep?: string;
  readonly regex?: string;
  readonly ignoreCase?: boolean;
  readonly run?: string;
  readonly timestamps?: boolean;
  readonly stdout?: boolean;
  readonly stderr?: boolean;
  readonly raw?: boolean;
  readonly hints?: boolean;
}

const defaultLines = 50;
const all = -1;

export const verb: Verb<LogsOptions> = {
  operands: "[name...]",
  description: `Shows the last lines that services wrote, and goes on with -f, also over restarts of the services and of pmd.\n\n${selectorHelp}`,
  examples: [
    "pmctl logs web                     # the last 50 lines",
    "pmctl logs -f -n 0                 # what anything writes from now on",
    "pmctl logs web --since 10m -t      # ten minutes, with the time of each line",
    "pmctl logs web --run -1 -n all     # all that the run before this one wrote",
    "pmctl logs --grep timeout -i -n 20 # the last 20 lines of all services with timeout, TIMEOUT ... in them",
    "pmctl logs web --stderr -n all --raw > web.err",
  ],
  addOptions(command) {
    command
      .option("-f, --follow", "go on as lines are written")
      .option(
        "-n, --lines <count>",
        "how many of the last lines that are asked for, or all (50; with --since or --run all)",
        named("--lines", parseLines),
      )
      .option("--since <time>", "not before this time: 10m, 2026-11-21T10:00:00Z")
      .option("--until <time>", "not after this time; not with -f")
      .option("--grep <text>", "only lines with this text in them")
      .option("--regex <expression>", "only lines that match this regular expression", named("--regex", parseRegex))
      .option("-i, --ignore-case", "large and small letters are alike, for --grep and --regex")
      .option("--run <run>", "only of this run: its id, or 0 for the newest, -1 for the one before it", named("--run", parseRun))
      .option("-t, --timestamps", "show when each line was read")
      .option("--stdout", "only standard output")
      .option("--stderr", "only standard error")
      .option("--raw", "the bytes as they were written, without names and with escape sequences")
      .option("--hints", "the ends of other files, those that logs.hints of the spec names, rather than what was written to stdout and stderr");
    outputOptions(selectorOptions(command), ["json", "jsonl"]);
  },
  async run(session, { operands, options }) {
    if (options.hints) return await showHints(session, operands, options);
    const isJson = formatOf(options) !== "table";
    if (options.follow && options.until !== undefined) throw usageError("--follow and --until: say one of them");
    if (options.ignoreCase && options.grep === undefined && options.regex === undefined)
      throw usageError("-i: say what to look for with --grep or --regex");
    if (options.raw && isJson) throw usageError("--raw and -o: say one of them");
    const filter = filterOf(session, operands, options);
    const printer = new LogPrinter(session, { format: options.raw ? "raw" : "text", timestamps: options.timestamps ?? false });
    if (!options.raw && !isJson) printer.expect(await findInstances(session, filter));
    for await (const { entries, gaps } of readBatches(session, filter, options)) {
      if (isJson) await printJsonLines(session, LogEntrySchema, entries);
      printer.print({ entries: isJson ? [] : entries, gaps });
    }
    printer.end();
    return session.signal.aborted ? exitCodes.interrupted : exitCodes.ok;
  },
};

const withHints: readonly (keyof LogsOptions)[] = ["hints", "lines", "raw", "namespace", "label", "state", "all"];

/** Nobody knows when their lines were written, nor by which run: so they are shown one file after the other, as they are. */
async function showHints(session: Session, names: readonly string[], options: LogsOptions): Promise<ExitCode> {
  const other = Object.keys(options).find((option) => !withHints.some((known) => known === option));
  if (other !== undefined) throw usageError("--hints goes with names, -n and --raw alone");
  const selector = selectorForRead(names, options);
  const { sources } = await clientOf(session, LogService).listLogSources(selector ? { selector } : {}, promptly(session));
  const hints = sources.filter(({ hint }) => hint);
  if (hints.length === 0) throw new Failure("no spec of what is selected has logs.hints", exitCodes.notFound);
  let worst: ExitCode = exitCodes.ok;
  for (const [at, { path }] of hints.entries()) {
    if (hints.length > 1 && !options.raw) session.out.write(`${at > 0 ? "\n" : ""}==> ${safeText(path)} <==\n`);
    worst = (await showOne(path)) || worst;
  }
  return worst;

  /** One that is not there yet keeps nobody from the others. */
  async function showOne(path: string): Promise<ExitCode> {
    try {
      return await showFile(session, path, { follow: false, lines: options.lines ?? defaultLines, raw: options.raw ?? false });
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      session.err.write(`${error.message}\n`);
      return error.exitCode;
    }
  }
}

type Filter = NonNullable<MessageInitShape<typeof ReadLogsRequestSchema>["filter"]>;

function filterOf(session: Session, names: readonly string[], options: LogsOptions): Filter {
  const streams = [...(options.stdout ? [LogStream.STDOUT] : []), ...(options.stderr ? [LogStream.STDERR] : [])];
  const timeOf = (option: string, text: string | undefined) =>
    text === undefined ? undefined : timestampOf(named(option, (text) => parseTime(text, session.now()))(text));
  const [since, until] = [timeOf("--since", options.since), timeOf("--until", options.until)];
  if (since && until && toMs(since) > toMs(until))
    throw usageError("--since and --until: the second is before the first, so that no line is asked for");
  const { grep = "", regex = "", ignoreCase = false, run = "" } = options;
  return { selector: selectorForRead(names, options), streams, grep, regex, ignoreCase, run, ...(since && { since }), ...(until && { until }) };
}

/** Whose lines may come, for aligned prefixes. */
async function findInstances(session: Session, { selector }: Filter): Promise<Set<string>> {
  const { sources } = await clientOf(session, LogService).listLogSources(selector ? { selector } : {}, promptly(session));
  return new Set(sources.filter(({ hint }) => !hint).map(({ instance }) => instance));
}

async function* readBatches(session: Session, filter: Filter, options: LogsOptions): AsyncGenerator<{ entries: LogEntry[]; gaps: LogGap[] }> {
  const lines = options.lines ?? (options.since === undefined && options.run === undefined ? defaultLines : all);
  let cursor = "";
  if (lines !== 0) {
    try {
      for await (const page of readPages(session, filter, lines === all ? 0 : lines)) {
        cursor = page.cursor;
        yield page;
      }
    } catch (error) {
      // With -f the rest comes from there on, once pmd is back.
      if (!options.follow || cursor === "" || !isConnectionLoss(error)) throw error;
    }
  }
  if (options.follow) yield* follow(session, cursor, (at, call) => clientOf(session, LogService).followLogs({ filter, cursor: at }, call));
}

/** What is there now. What is written meanwhile is left to -f: a service that writes faster than we read must not keep us here. */
async function* readPages(session: Session, filter: Filter, tail: number) {
  const begunAt = session.now();
  for (let cursor = ""; ; ) {
    const page = await clientOf(session, LogService).readLogs({ filter, cursor, tail: cursor ? 0 : tail }, promptly(session));
    yield page;
    const newest = page.entries.at(-1)?.time;
    if (page.atEnd || page.cursor === cursor || (newest && isMeanwhile(toMs(newest)))) return;
    cursor = page.cursor;
  }

  /** A line whose time is still to come was written before a clock was set back, and says nothing of what follows it. */
  function isMeanwhile(ms: number): boolean {
    return ms > begunAt && ms <= session.now();
  }
}

function parseRun(text: string): string {
  if (!/^(0|-[1-9]\d{0,3}|[0-9a-z]{15})$/.test(text)) throw usageError(`${JSON.stringify(text)} is no run: say 0, -1, -2 ..., or the id of one`);
  return text;
}

/** pmd looks too; but here it can be said by the name of the option. */
function parseRegex(text: string): string {
  try {
    new RegExp(text);
    return text;
  } catch (error) {
    throw usageError((error as Error).message);
  }
}

export function parseLines(text: string): number {
  return text === "all" ? all : parseCount(text, 100_000);
}
