import type { MessageInitShape } from "@bufbuild/protobuf";
import { type LogEntry, LogEntrySchema, type LogGap, LogService, LogStream, type ReadLogsRequestSchema } from "../../gen/pm/v1/log_service_pb.ts";
import { exitCodes } from "../exit-codes.ts";
import { usageError } from "../failure.ts";
import { follow } from "../follow.ts";
import { printJsonLines } from "../json-output.ts";
import { LogPrinter } from "../log-printer.ts";
import { formatOf, named, type OutputOptions, outputOptions, selectorHelp, selectorOptions } from "../options.ts";
import { parseCount, parseTime, timestampOf, toMs } from "../quantities.ts";
import { type SelectorOptions, selectorForRead } from "../selector.ts";
import { clientOf, promptly, type Session } from "../session.ts";
import type { Verb } from "../verb.ts";

export interface LogsOptions extends SelectorOptions, OutputOptions {
  readonly follow?: boolean;
  readonly lines?: number;
  readonly since?: string;
  readonly timestamps?: boolean;
  readonly stdout?: boolean;
  readonly stderr?: boolean;
  readonly raw?: boolean;
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
    "pmctl logs web --stderr -n all --raw > web.err",
  ],
  addOptions(command) {
    command
      .option("-f, --follow", "go on as lines are written")
      .option("-n, --lines <count>", "how many of the last lines, or all (50; with --since all)", named("--lines", parseLines))
      .option("--since <time>", "not before this time: 10m, 2026-11-21T10:00:00Z")
      .option("-t, --timestamps", "show when each line was read")
      .option("--stdout", "only standard output")
      .option("--stderr", "only standard error")
      .option("--raw", "the bytes as they were written, without names and with escape sequences");
    outputOptions(selectorOptions(command), ["json", "jsonl"]);
  },
  async run(session, { operands, options }) {
    const isJson = formatOf(options) !== "table";
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

type Filter = NonNullable<MessageInitShape<typeof ReadLogsRequestSchema>["filter"]>;

function filterOf(session: Session, names: readonly string[], options: LogsOptions): Filter {
  const streams = [...(options.stdout ? [LogStream.STDOUT] : []), ...(options.stderr ? [LogStream.STDERR] : [])];
  const since = options.since === undefined ? undefined : named("--since", (text) => parseTime(text, session.now()))(options.since);
  return { selector: selectorForRead(names, options), streams, ...(since !== undefined && { since: timestampOf(since) }) };
}

/** Whose lines may come, for aligned prefixes. */
async function findInstances(session: Session, { selector }: Filter): Promise<Set<string>> {
  const { sources } = await clientOf(session, LogService).listLogSources(selector ? { selector } : {}, promptly(session));
  return new Set(sources.map(({ instance }) => instance));
}

async function* readBatches(session: Session, filter: Filter, options: LogsOptions): AsyncGenerator<{ entries: LogEntry[]; gaps: LogGap[] }> {
  const lines = options.lines ?? (options.since === undefined ? defaultLines : all);
  let cursor = "";
  if (lines !== 0) {
    for await (const page of readPages(session, filter, lines === all ? 0 : lines)) {
      cursor = page.cursor;
      yield page;
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
    if (page.atEnd || page.cursor === cursor || (newest && toMs(newest) > begunAt)) return;
    cursor = page.cursor;
  }
}

export function parseLines(text: string): number {
  return text === "all" ? all : parseCount(text, 100_000);
}
