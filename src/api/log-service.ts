import type { ServiceImpl } from "@connectrpc/connect";
import type { Selector as SelectorMessage } from "../../gen/pm/v1/common_pb.ts";
import { type LogFilter, type LogService, LogStream, LogGap_Reason as Reason } from "../../gen/pm/v1/log_service_pb.ts";
import { describeSource } from "../logs/describe-source.ts";
import { follow } from "../logs/follow.ts";
import type { LogEntry, LogGap, LogStreamRef } from "../logs/log-stream.ts";
import { requestPurge, requestRotation } from "../logs/pump-client.ts";
import type { LogFileOrder } from "../logs/pump-protocol.ts";
import { readPage } from "../logs/read-page.ts";
import type { LogSource } from "../supervisor/log-paths.ts";
import { type Selector, select } from "../supervisor/selection.ts";
import type { Services } from "../supervisor/services.ts";
import { toSelector, toVerbSelector } from "./convert-selector.ts";
import { fromWallTime, toWallTime } from "./convert-time.ts";

const defaultPage = 1000;
/** Files that are looked at together. */
const looksTogether = 16;

export function logService(services: Services, runtimeDir: string): ServiceImpl<typeof LogService> {
  return {
    async listLogSources({ selector }) {
      const sources = services.logSources(services.targets(selector && toSelector(selector)));
      const described = [];
      for (let at = 0; at < sources.length; at += looksTogether) {
        described.push(...(await Promise.all(sources.slice(at, at + looksTogether).map(describe))));
      }
      return { sources: described };
    },

    async readLogs({ filter, cursor, tail, maxEntries }) {
      const since = toWallTime(filter?.since);
      const page = await readPage({
        sources: refs(filter),
        cursor: cursor || undefined,
        tail: tail > 0 ? tail : undefined,
        sinceMs: since,
        maxEntries: maxEntries || defaultPage,
      });
      return { entries: page.entries.map(fromEntry), gaps: page.gaps.map(fromGap), cursor: page.cursor, atEnd: page.atEnd };
    },

    async *followLogs({ filter, cursor, tail }, { signal }) {
      const since = toWallTime(filter?.since);
      // Without a number of lines, a time to begin with says how much of what is old is wanted.
      const from = { cursor: cursor || undefined, sinceMs: since, tail: tail === 0 && since !== undefined ? undefined : tail };
      refs(filter); // a name that names nothing is an error now, and not silence for ever
      for await (const batch of follow({ ...from, sources: () => refs(filter) }, signal)) {
        yield { ...batch, entries: batch.entries.map(fromEntry), gaps: batch.gaps.map(fromGap) };
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

  function refs(filter: LogFilter | undefined): LogStreamRef[] {
    const streams = filter?.streams.filter((stream) => stream !== LogStream.UNSPECIFIED) ?? [];
    const selector: SelectorMessage | undefined = filter?.selector;
    const sources = services.logSources(services.targets(selector && toSelector(selector)));
    return sources.filter(({ stream }) => streams.length === 0 || streams.includes(streamOf(stream)));
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
