import { once } from "node:events";
import { displayName, parseName, serviceKey, serviceOf } from "./core/names.ts";
import { findSimilar } from "./core/similar.ts";
import { logsNotFound, PmError } from "./errors.ts";
import { findLogStreams } from "./log-places.ts";
import { describeSource } from "./logs/describe-source.ts";
import { LineFilter } from "./logs/line-filter.ts";
import type { LogStreamRef } from "./logs/log-stream.ts";
import { gapText, PageText } from "./logs/page-text.ts";
import { readPage } from "./logs/read-page.ts";
import { safeLine } from "./logs/safe-line.ts";
import { type LogsRequest, parseLogsRequest } from "./logs-request.ts";

// pmd logs: flags → files → lines, with the readers that pmd itself has, and nothing of pmd's beside them: so it works when no pmd does. It only
// reads, and what the pump does meanwhile disturbs it no more than it disturbs pmd.

const exitCodes = { failed: 1, usage: 2, notFound: 4, notPermitted: 8 } as const;
const pageLines = 1000;

export async function runLogs(argv: readonly string[]): Promise<void> {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(0); // whoever read has seen enough, as with `| head`
  });
  const request = readRequest(argv);
  if ("print" in request) return print(request.print);
  try {
    const streams = await findLogStreams(request);
    if (request.names.length === 0) await printList(wantedStreams(streams, request));
    else await printLines(selectStreams(streams, request), request);
  } catch (error) {
    const { message, cause } = error as Error;
    process.stderr.write(`pmd logs: ${message}${cause instanceof Error ? `: ${cause.message}` : ""}\n`);
    process.exitCode = exitCodeOf(error as Error);
  }
}

function readRequest(argv: readonly string[]) {
  try {
    return parseLogsRequest(argv, Date.now());
  } catch (error) {
    process.stderr.write(`pmd logs: ${(error as Error).message}\nTry "pmd logs --help".\n`);
    return process.exit(exitCodes.usage);
  }
}

function exitCodeOf(error: Error): number {
  if (error instanceof PmError) return exitCodes.notFound;
  const { code } = (error.cause ?? error) as NodeJS.ErrnoException;
  return code === "EACCES" ? exitCodes.notPermitted : exitCodes.failed;
}

function wantedStreams(found: readonly LogStreamRef[], { streams }: LogsRequest): LogStreamRef[] {
  return found.filter(({ stream }) => streams.length === 0 || streams.includes(stream));
}

function selectStreams(found: readonly LogStreamRef[], request: LogsRequest): LogStreamRef[] {
  const selected = new Set(request.names.flatMap((name) => streamsOf(name, found, request.logDir)));
  return wantedStreams(found, request).filter((stream) => selected.has(stream));
}

function streamsOf(name: string, found: readonly LogStreamRef[], logDir: string): LogStreamRef[] {
  const wanted = parseName(name);
  const service = wanted && serviceKey(wanted.namespace, wanted.name);
  const streams = found.filter(
    ({ instance }) => serviceOf(instance) === service && (wanted?.index === undefined || instance === `${service}#${wanted.index}`),
  );
  if (streams.length > 0) return streams;
  const known = found.flatMap(({ instance }) => [displayName(instance), displayName(serviceOf(instance))]);
  throw logsNotFound(name, logDir, findSimilar(name, new Set(known)));
}

async function printLines(sources: readonly LogStreamRef[], request: LogsRequest): Promise<void> {
  const { tail, sinceMs, untilMs, raw, timestamps } = request;
  const instances = [...new Set(sources.map(({ instance }) => instance))];
  const text = new PageText({ instances, raw, timestamps, safe: isTerminal() });
  const filter = new LineFilter(request);
  const begunAt = Date.now();
  for (let cursor: string | undefined; ; ) {
    const page = await readPage({ sources, filter, cursor, tail, sinceMs, untilMs, maxEntries: pageLines });
    for (const gap of page.gaps) process.stderr.write(gapText(gap));
    await print(text.linesOf(page.entries));
    cursor = page.cursor;
    if (page.atEnd || wasWrittenSince(page.entries.at(-1)?.timeMs, begunAt)) break;
  }
  await print(text.end());
}

/** A service that writes faster than we read must not keep us here. A time to come says only that the clock has been set back. */
function wasWrittenSince(timeMs: number | undefined, begunAt: number): boolean {
  return timeMs !== undefined && timeMs > begunAt && timeMs <= Date.now();
}

async function printList(streams: readonly LogStreamRef[]): Promise<void> {
  const rows = [["NAME", "STREAM", "BYTES", "LAST", "PATH"]];
  for (const stream of streams) {
    const { sizeBytes, newestMs } = await describeSource(stream);
    const last = newestMs === undefined ? "-" : new Date(newestMs).toISOString();
    rows.push([displayName(stream.instance), stream.stream, String(sizeBytes), last, stream.path]);
  }
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const lines = rows.map((row) => row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join("  "));
  await print(`${lines.map((line) => (isTerminal() ? safeLine(line) : line)).join("\n")}\n`);
}

function isTerminal(): boolean {
  return process.stdout.isTTY === true;
}

/** A page at a time, at the pace of whoever reads. */
async function print(content: string | Buffer): Promise<void> {
  if (content.length > 0 && !process.stdout.write(content)) await once(process.stdout, "drain");
}
