import type { ServiceImpl } from "@connectrpc/connect";
import type { Selector as SelectorMessage } from "../../gen/pm/v1/common_pb.ts";
import { type LogFilter, type LogService, LogStream, LogGap_Reason as Reason } from "../../gen/pm/v1/log_service_pb.ts";
import { invalidFields, runNotFound } from "../errors.ts";
import { describeFile, describeSource } from "../logs/describe-source.ts";
import { follow } from "../logs/follow.ts";
import { LineFilter } from "../logs/line-filter.ts";
import type { LogEntry, LogGap, LogStreamRef } from "../logs/log-stream.ts";
import { requestCounters, requestPurge, requestRotation } from "../logs/pump-client.ts";
import type { LogCounters, LogFileOrder } from "../logs/pump-protocol.ts";
import { readPage } from "../logs/read-page.ts";
import type { LogHint, LogSource } from "../supervisor/log-paths.ts";
import { type Selector, select } from "../supervisor/selection.ts";
import type { Services } from "../supervisor/services.ts";
import type { StoredRun } from "../supervisor/store.ts";
import { toSelector, toVerbSelector } from "./convert-selector.ts";
import { fromMs, fromWallTime, toWallTime } from "./convert-time.ts";

const defaultPage = 1000;
const clockLeewayMs = 10_000;
/** Files that are looked at together. */
const looksTogether = 16;
const patienceMs = 200;

export function logService(services: Services, runtimeDir: string): ServiceImpl<typeof LogService> {
  return {
    async listLogSources({ selector }, { signal }) {
      const targets = services.targets(selector && toSelector(selector));
      const sources = services.logSources(targets);
      const counted = countersOf(sources, signal);
      const described = [];
      for (let at = 0; at < sources.length; at += looksTogether) {
        described.push(...(await Promise.all(sources.slice(at, at + looksTogether).map(describe))));
      }
      const counters = await counted;
      const streams = described.map((source) => ({ ...source, ...fromCounters(counters[source.path]) }));
      const hints = await Promise.all(services.logHints(targets).map(describeHint));
      return { sources: [...streams, ...hints] };
    },

    async readLogs({ filter, cursor, tail, maxEntries }) {
      using wanted = wantedBy(filter);
      const page = await readPage({
        ...wanted,
        sources: refs(filter),
        cursor: cursor || undefined,
        tail: tail > 0 ? tail : undefined,
        untilMs: toWallTime(filter?.until),
        maxEntries: maxEntries || defaultPage,
      });
      return { entries: page.entries.map(fromEntry), gaps: page.gaps.map(fromGap), cursor: page.cursor, atEnd: page.atEnd };
    },

    async *followLogs({ filter, cursor, tail }, { signal }) {
      if (filter?.until) throw invalidFields([{ field: "filter.until", message: "following has no end: use ReadLogs, or leave it out" }]);
      using wanted = wantedBy(filter);
      // Without a number of lines, a time to begin with says how much of what is old is wanted.
      const from = { ...wanted, cursor: cursor || undefined, tail: tail === 0 && filter?.since ? undefined : tail };
      refs(filter); // a name that names nothing is an error now, and not silence for ever
      for await (const batch of follow({ ...from, sources: () => refs(filter) }, signal)) {
        yield { ...batch, lagBytes: BigInt(batch.lagBytes), entries: batch.entries.map(fromEntry), gaps: batch.gaps.map(fromGap) };
      }
    },

    async rotateLogs({ selector }, { signal }) {
      const { paths } = await requestRotation(runtimeDir, files(toVerbSelector(selector)), signal);
      return { paths: [...paths] };
    },

    async purgeLogs({ selector, rotatedOnly }, { signal }) {
      const { freedBytes } = await requestPurge(runtimeDir, { files: files(toVerbSelector(selector)), rotatedOnly }, signal);
      return { freedBytes: BigInt(freedBytes) };
    },
  };

  /** None of a pump that is busy or gone: nobody shall wait for numbers. */
  async function countersOf(sources: readonly LogSource[], signal: AbortSignal): Promise<Readonly<Record<string, LogCounters>>> {
    const paths = sources.map(({ path }) => path);
    return requestCounters(runtimeDir, paths, AbortSignal.any([signal, AbortSignal.timeout(patienceMs)])).catch(() => ({}));
  }

  function refs(filter: LogFilter | undefined): LogStreamRef[] {
    const streams = filter?.streams.filter((stream) => stream !== LogStream.UNSPECIFIED) ?? [];
    const selector: SelectorMessage | undefined = filter?.selector;
    const sources = services.logSources(services.targets(selector && toSelector(selector)));
    return sources.filter(({ stream }) => streams.length === 0 || streams.includes(streamOf(stream)));
  }

  /** What is asked of the lines; whoever has it disposes of it. */
  function wantedBy(message: LogFilter | undefined): { filter: LineFilter; sinceMs: number | undefined; [Symbol.dispose](): void } {
    const { run = "", grep, regex, ignoreCase = false } = message ?? {};
    const since = toWallTime(message?.since);
    const runs = /^(0|-\d+)$/.test(run) ? earlierRuns(message, -Number(run)) : undefined;
    const filter = new LineFilter({ runs: runs ? new Set(runs.map(({ id }) => id)) : run ? new Set([run]) : undefined, grep, regex, ignoreCase });
    // Nothing of a run was read before it began; of clocks that were corrected meanwhile a little earlier, and of one that was set back who knows when.
    const now = Date.now();
    const wasSetBack = runs?.some(({ startedAt, end }) => startedAt > (end?.endedAt ?? now) + clockLeewayMs);
    const begun = runs && !wasSetBack ? Math.min(...runs.map(({ startedAt }) => startedAt)) - clockLeewayMs : undefined;
    const sinceMs = begun === undefined ? since : Math.max(begun, since ?? begun);
    return { filter, sinceMs, [Symbol.dispose]: () => filter.close() };
  }

  function earlierRuns(filter: LogFilter | undefined, back: number): StoredRun[] {
    const runs = services.earlierRuns(services.targets(filter?.selector && toSelector(filter.selector)), back);
    if (runs.length === 0) throw runNotFound(back === 0 ? "0" : `-${back}`);
    return runs;
  }

  /** A verb must say which; a read may leave it open. */
  function files(selector: Selector): LogFileOrder[] {
    return toFileOrders(services.logSources(select(selector, services.sorted())));
  }
}

export function toFileOrders(sources: readonly LogSource[]): LogFileOrder[] {
  return sources.map(({ path, settings }) => ({ path, settings }));
}

async function describe(source: LogSource) {
  const { sizeBytes, rotatedFiles, oldestMs, newestMs, droppedBytes } = await describeSource(source);
  return {
    instance: source.instance,
    stream: streamOf(source.stream),
    path: source.path,
    sizeBytes: BigInt(sizeBytes),
    rotatedFiles,
    droppedBytes: BigInt(droppedBytes),
    ...(oldestMs !== undefined && { oldestTime: fromWallTime(oldestMs) }),
    ...(newestMs !== undefined && { newestTime: fromWallTime(newestMs) }),
  };
}

function fromCounters(counters: LogCounters | undefined) {
  return counters && { writtenBytes: BigInt(counters.writtenBytes), blockedTime: fromMs(counters.blockedMs) };
}

async function describeHint({ service, path }: LogHint) {
  const { sizeBytes, newestMs } = await describeFile(path);
  return {
    instance: service,
    path,
    hint: true,
    sizeBytes: BigInt(sizeBytes),
    ...(newestMs !== undefined && { newestTime: fromWallTime(newestMs) }),
  };
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function fromEntry({ instance, stream, timeMs, bytes, partial, runId }: LogEntry) {
  return { instance, stream: streamOf(stream), time: fromWallTime(timeMs), content: contentOf(bytes), partial, runId };
}

function contentOf(bytes: Buffer) {
  try {
    return { case: "text", value: utf8.decode(bytes) } as const;
  } catch {
    return { case: "raw", value: new Uint8Array(bytes) } as const; // what is no text is sent as it is
  }
}

function fromGap({ instance, stream, reason, bytes, timeMs }: LogGap) {
  return { instance, stream: streamOf(stream), reason: reasons[reason], bytes: BigInt(bytes), time: fromWallTime(timeMs) };
}

const reasons = {
  rotated_away: Reason.ROTATED_AWAY,
  dropped: Reason.DROPPED,
  truncated: Reason.TRUNCATED,
  pump_killed: Reason.PUMP_KILLED,
  damaged: Reason.DAMAGED,
} satisfies Record<LogGap["reason"], Reason>;

function streamOf(stream: "stdout" | "stderr"): LogStream {
  return stream === "stdout" ? LogStream.STDOUT : LogStream.STDERR;
}
