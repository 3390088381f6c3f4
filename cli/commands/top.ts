import {
  GetMetricsResponseSchema,
  type InstanceUsage,
  MetricsService,
  type WatchMetricsResponse,
  WatchMetricsResponseSchema,
} from "../../gen/pm/v1/metrics_service_pb.ts";
import type { Instance } from "../../gen/pm/v1/service_pb.ts";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { byteSize, percentage, shortDuration } from "../figures.ts";
import { printJson, printJsonLines } from "../json-output.ts";
import { durationOption, formatOf, type OutputOptions, outputOptions, selectorHelp, selectorOptions } from "../options.ts";
import { durationOf, toMs } from "../quantities.ts";
import { paint, type Screen } from "../screen.ts";
import { type SelectorInit, type SelectorOptions, selectorForRead } from "../selector.ts";
import { stateColor } from "../service-figures.ts";
import { clientOf, promptly, type Session } from "../session.ts";
import { readStream } from "../stream.ts";
import { type Column, tableLines } from "../table.ts";
import type { Verb } from "../verb.ts";
import { shortName, stateWord } from "../words.ts";

type TopOptions = SelectorOptions & OutputOptions & { readonly once?: boolean; readonly interval?: number };

export const verb: Verb<TopOptions> = {
  operands: "[name...]",
  description: `Shows what instances use, with everything that they have started, again and again.\nKeys: c sorts by CPU, m by memory, n by name, q leaves.\n\n${selectorHelp}`,
  examples: [
    "pmctl top                    # q leaves",
    "pmctl top --once             # once, as a table",
    "pmctl top -o jsonl | jq .host.cpuPercent",
  ],
  addOptions(command) {
    durationOption(command.option("--once", "print once and end"), "--interval <duration>", "how often to look (1s)");
    outputOptions(selectorOptions(command), ["table", "json", "jsonl"]);
  },
  async run(session, { operands, options }) {
    const selector = selectorForRead(operands, options);
    const format = formatOf(options);
    if (format === "jsonl" && !options.once) return await streamLines(session, selector, options);
    if (options.once || format !== "table" || !session.out.isTerminal) return await printOnce(session, selector, format);
    return await showScreen(session, selector, options);
  },
};

async function printOnce(session: Session, selector: SelectorInit, format: string): Promise<ExitCode> {
  const [metrics, { services }] = await Promise.all([
    clientOf(session, MetricsService).getMetrics({ selector }, promptly(session)),
    clientOf(session, SupervisorService).listServices({ selector }, promptly(session)),
  ]);
  if (format === "json") await printJson(session, GetMetricsResponseSchema, metrics);
  else if (format === "jsonl") await printJsonLines(session, GetMetricsResponseSchema, [metrics]);
  else session.out.write(`${topLines(session.out, metrics, instancesByName(services), "cpu").join("\n")}\n`);
  return exitCodes.ok;
}

async function streamLines(session: Session, selector: SelectorInit, options: TopOptions): Promise<ExitCode> {
  for await (const sample of watchMetrics(session, selector, options)) await printJsonLines(session, WatchMetricsResponseSchema, [sample]);
  return exitCodes.ok;
}

const enterScreen = "\u001b[?1049h\u001b[?25l";
const leaveScreen = "\u001b[?25h\u001b[?1049l";

async function showScreen(session: Session, selector: SelectorInit, options: TopOptions): Promise<ExitCode> {
  const { out } = session;
  const leave = new AbortController();
  const inside: Session = { ...session, signal: AbortSignal.any([session.signal, leave.signal]) };
  let order: Order = "cpu";
  let sample: WatchMetricsResponse | undefined;
  const instances = new Map<string, Instance>();
  const draw = () => sample && drawFrame(out, topLines(out, sample, instances, order));
  const releaseKeys = session.onKey?.((key) => {
    if (leaveKeys.has(key)) leave.abort();
    order = orders[key] ?? order;
    draw();
  });
  out.write(enterScreen);
  try {
    const states = keepInstances(inside, selector, instances);
    const samples = (async () => {
      for await (const next of watchMetrics(inside, selector, options)) {
        sample = next;
        draw();
      }
    })();
    await Promise.all([states, samples]);
  } catch (error) {
    if (!inside.signal.aborted) throw error;
  } finally {
    leave.abort();
    releaseKeys?.();
    out.write(leaveScreen);
  }
  return exitCodes.ok;
}

type Order = "cpu" | "memory" | "name";
const orders: Readonly<Record<string, Order>> = { c: "cpu", m: "memory", n: "name" };
/** Ctrl-C is a key here: the terminal hands over keys as they are pressed. */
const leaveKeys = new Set(["q", "Q", "\u0003", "\u001b"]);

function watchMetrics(session: Session, selector: SelectorInit, { interval }: TopOptions) {
  const request = { selector, ...(interval !== undefined && { interval: durationOf(interval) }) };
  return readStream(session, (call) => clientOf(session, MetricsService).watchMetrics(request, call));
}

async function keepInstances(session: Session, selector: SelectorInit, instances: Map<string, Instance>): Promise<void> {
  for await (const { services, removed } of readStream(session, (call) => clientOf(session, SupervisorService).watch({ selector }, call))) {
    const stale = new Set([...removed, ...services.map(({ namespace, name }) => `${namespace}/${name}`)]);
    for (const name of instances.keys()) if (stale.has(name.replace(/#\d+$/, ""))) instances.delete(name);
    for (const [name, instance] of instancesByName(services)) instances.set(name, instance);
  }
}

function instancesByName(services: readonly { readonly status?: { readonly instances: readonly Instance[] } | undefined }[]): Map<string, Instance> {
  return new Map(services.flatMap(({ status }) => (status?.instances ?? []).map((instance) => [instance.name, instance] as const)));
}

type Sample = Pick<WatchMetricsResponse, "host" | "instances">;

export function topLines(out: Screen, { host, instances }: Sample, known: ReadonlyMap<string, Instance>, order: Order): string[] {
  return [...hostLines(out, host), "", ...tableLines(out, columnsOf(known), sorted(instances, order))];
}

function hostLines(out: Screen, host: Sample["host"]): string[] {
  if (!host) return [];
  const memory = `${byteSize(Number(host.memoryUsedBytes))} of ${byteSize(Number(host.memoryTotalBytes))}`;
  const load = [host.load1, host.load5, host.load15].map((value) => value.toFixed(2)).join(" ");
  return [
    `${paint(out, "dim", "CPU")} ${percentage(host.cpuPercent)} of ${host.cores} cores  ${paint(out, "dim", "memory")} ${memory}  ${paint(out, "dim", "load")} ${load}`,
  ];
}

function columnsOf(known: ReadonlyMap<string, Instance>): Column<InstanceUsage>[] {
  const stateOf = ({ instance }: InstanceUsage) => known.get(instance)?.state ?? 0;
  return [
    { title: "INSTANCE", cell: ({ instance }) => shortName(instance), shrinkTo: 12, color: () => "bold" },
    { title: "STATE", cell: (row) => (stateOf(row) ? stateWord(stateOf(row)) : "-"), color: (row) => stateColor(stateOf(row)) },
    { title: "PID", cell: ({ instance }) => String(known.get(instance)?.run?.pid || "-"), align: "right" },
    { title: "CPU", cell: ({ usage }) => percentage(usage?.cpuPercent), align: "right" },
    { title: "MEM", cell: ({ usage }) => byteSize(Number(usage?.memoryBytes ?? 0)), align: "right" },
    { title: "PROCS", cell: ({ usage }) => String(usage?.pids ?? "-"), align: "right" },
    { title: "FILES", cell: ({ usage }) => String(usage?.openFiles ?? "-"), align: "right" },
    { title: "UPTIME", cell: ({ usage }) => (usage?.uptime ? shortDuration(toMs(usage.uptime)) : "-"), align: "right" },
    { title: "RESTARTS", cell: ({ usage }) => String(usage?.restarts ?? "-"), align: "right" },
  ];
}

function sorted(instances: readonly InstanceUsage[], order: Order): InstanceUsage[] {
  const rank = ({ usage }: InstanceUsage) => (order === "cpu" ? (usage?.cpuPercent ?? 0) : order === "memory" ? Number(usage?.memoryBytes ?? 0) : 0);
  return [...instances].sort((a, b) => rank(b) - rank(a) || a.instance.localeCompare(b.instance, "en", { numeric: true }));
}

/** From the top left, each line up to its end, then nothing below: without a flicker. */
function drawFrame(out: Screen, lines: readonly string[]): void {
  const shown = lines.slice(0, out.rows - 1);
  out.write(`\u001b[H${shown.map((line) => `${line}\u001b[K\n`).join("")}\u001b[J`);
}
