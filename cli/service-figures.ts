import { State } from "../gen/pm/v1/common_pb.ts";
import type { GetMetricsResponse, Usage } from "../gen/pm/v1/metrics_service_pb.ts";
import type { Command } from "../gen/pm/v1/process_pb.ts";
import { Condition_TypeSchema, type Instance, type Service } from "../gen/pm/v1/service_pb.ts";
import { byteSize } from "./figures.ts";
import { safeText } from "./safe-text.ts";
import type { Color } from "./screen.ts";
import { enumWord } from "./words.ts";

// What the tables and blocks about services are made of.

export interface Figures {
  readonly cpuPercent: number | undefined;
  readonly memoryBytes: number | undefined;
}

export type UsageByInstance = ReadonlyMap<string, Usage>;

export function usageByInstance(metrics: Pick<GetMetricsResponse, "instances"> | undefined): UsageByInstance {
  return new Map((metrics?.instances ?? []).flatMap(({ instance, usage }) => (usage ? [[instance, usage] as const] : [])));
}

/** Of all of them together; undefined where nothing was measured. */
export function sumUsage(instances: readonly Pick<Instance, "name">[], usages: UsageByInstance): Figures {
  const found = instances.flatMap(({ name }) => usages.get(name) ?? []);
  const cpus = found.flatMap(({ cpuPercent }) => cpuPercent ?? []);
  return {
    cpuPercent: cpus.length > 0 ? sum(cpus) : undefined,
    memoryBytes: found.length > 0 ? sum(found.map(({ memoryBytes }) => Number(memoryBytes))) : undefined,
  };
}

export function livePids(instances: readonly Instance[]): number[] {
  return instances.flatMap(({ run }) => (run && run.pid > 0 ? [run.pid] : []));
}

/** When the youngest of its runs began: a restart of one instance shows. */
export function youngestStart(instances: readonly Instance[]) {
  const starts = instances.flatMap(({ run }) => (run?.startTime ? [run.startTime] : []));
  return starts.reduce<(typeof starts)[number] | undefined>(
    (youngest, start) => (!youngest || start.seconds > youngest.seconds ? start : youngest),
    undefined,
  );
}

export function latestExit(instances: readonly Instance[]) {
  const exits = instances.flatMap(({ lastExit }) => lastExit ?? []);
  return exits.sort((a, b) => Number((b.endTime?.seconds ?? 0n) - (a.endTime?.seconds ?? 0n)))[0];
}

export function nextStart(instances: readonly Instance[]) {
  const starts = instances.flatMap(({ nextStartTime }) => nextStartTime ?? []);
  return starts.sort((a, b) => Number(a.seconds - b.seconds))[0];
}

export function conditionWords({ status }: Service): string[] {
  const conditions = [...(status?.conditions ?? []), ...(status?.instances ?? []).flatMap((instance) => instance.conditions)];
  return [...new Set(conditions.map(({ type }) => enumWord(Condition_TypeSchema, type)))];
}

/** Why its instances are in their states, each reason once. */
export function stateReasons({ status }: Service): string[] {
  return [...new Set((status?.instances ?? []).flatMap(({ stateReason }) => stateReason || []))];
}

export function commandLine(command: Command | undefined): string {
  const words = command?.shell ? [command.shell] : (command?.argv ?? []).map(quoted);
  return safeText([...words, ...(command?.args ?? []).map(quoted)].join(" "));
}

/** As it would be typed at a shell. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

export function stateColor(state: State): Color | undefined {
  switch (state) {
    case State.RUNNING:
      return "green";
    case State.WAITING:
    case State.STARTING:
    case State.STOPPING:
      return "cyan";
    case State.BACKOFF:
    case State.UNKNOWN:
      return "yellow";
    case State.FAILED:
      return "red";
    default:
      return "dim";
  }
}

export function memory(bytes: number | undefined): string {
  return bytes === undefined ? "-" : byteSize(bytes);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
