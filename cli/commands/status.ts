import { type LogEntry, LogService } from "../../gen/pm/v1/log_service_pb.ts";
import { MetricsService } from "../../gen/pm/v1/metrics_service_pb.ts";
import { Overrides_Desired as Desired, type Instance, type Service } from "../../gen/pm/v1/service_pb.ts";
import { GetServiceResponseSchema, SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { printBlock } from "../block.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { exitColumn, exitSentence } from "../exit-words.ts";
import { usageError } from "../failure.ts";
import { percentage } from "../figures.ts";
import { checkWords, complaintOf, healthWord, worstHealth } from "../health-words.ts";
import { printJson } from "../json-output.ts";
import { LogPrinter } from "../log-printer.ts";
import { formatOf, outputOptions, selectorOptions } from "../options.ts";
import {
  commandLine,
  conditionWords,
  latestExit,
  memory,
  nextStart,
  stateColor,
  stateReasons,
  sumUsage,
  type UsageByInstance,
  usageByInstance,
} from "../service-figures.ts";
import { clientOf, promptly, type Session } from "../session.ts";
import { tableLines } from "../table.ts";
import { ago, isRelative, since, type TimeOptions, until } from "../time-text.ts";
import type { Verb } from "../verb.ts";
import { serviceName, shortName, stateWord } from "../words.ts";
import { type PsOptions, verb as ps } from "./ps.ts";

export const verb: Verb<PsOptions> = {
  operands: "[name]",
  description:
    "Shows all about one service: its state, its instances, why the last run ended, and the last lines that it wrote. Without a name it is the same as ps.",
  examples: ["pmctl status web", "pmctl describe prod/web --json   # the spec, too", "pmctl status                     # a list, as ps"],
  addOptions(command) {
    outputOptions(selectorOptions(command)).option("--abs-time", "times as RFC 3339, also on a terminal");
  },
  async run(session, call) {
    const [name] = call.operands;
    if (name === undefined) return await ps.run(session, call);
    if (/[*?]/.test(name) || name === "all") throw usageError(`status shows one service: for several say pmctl ps ${name}`);
    return await showService(session, serviceOf(name, call.options), call.options);
  },
};

/** An instance is shown with its service. */
function serviceOf(name: string, { namespace }: PsOptions): string {
  const service = name.replace(/#\d+$/, "");
  return namespace && !service.includes("/") ? `${namespace}/${service}` : service;
}

async function showService(session: Session, name: string, options: PsOptions): Promise<ExitCode> {
  const format = formatOf(options);
  const response = await clientOf(session, SupervisorService).getService({ name, runHistory: 5 }, promptly(session));
  const { service } = response;
  if (format === "json" || format === "jsonl" || !service) {
    await printJson(session, GetServiceResponseSchema, response);
    return exitCodes.ok;
  }
  const facts = await findFacts(session, service);
  printService(session, service, facts, options);
  return exitCodes.ok;
}

interface Facts {
  readonly usages: UsageByInstance;
  readonly logPaths: readonly string[];
  readonly lastLines: readonly LogEntry[];
}

const shownLines = 10;

/** What is beside the service; where one part cannot be had the rest is shown without it. */
async function findFacts(session: Session, { namespace, name }: Service): Promise<Facts> {
  const selector = { names: [`${namespace}/${name}`] };
  const logs = clientOf(session, LogService);
  const [metrics, sources, lines] = await Promise.allSettled([
    clientOf(session, MetricsService).getMetrics({ selector }, promptly(session)),
    logs.listLogSources({ selector }, promptly(session)),
    logs.readLogs({ filter: { selector }, tail: shownLines }, promptly(session)),
  ]);
  return {
    usages: usageByInstance(metrics.status === "fulfilled" ? metrics.value : undefined),
    logPaths: sources.status === "fulfilled" ? sources.value.sources.map(({ path }) => path) : [],
    lastLines: lines.status === "fulfilled" ? lines.value.entries : [],
  };
}

function printService(session: Session, service: Service, { usages, logPaths, lastLines }: Facts, options: TimeOptions): void {
  const { out } = session;
  const { spec, status } = service;
  const instances = status?.instances ?? [];
  const { cpuPercent, memoryBytes } = sumUsage(instances, usages);
  const exit = latestExit(instances);
  printBlock(out, `${serviceName(service)}${spec?.description ? ` - ${spec.description}` : ""}`, [
    ["State", stateSentence(session, service, options)],
    ["Health", healthSentence(service)],
    ["Reason", stateReasons(service).join("; ")],
    ["Desired", desiredSentence(service)],
    ["Depends on", dependencyWords(service)],
    ["Usage", memoryBytes === undefined ? undefined : `${memory(memoryBytes)}, CPU ${percentage(cpuPercent)}`],
    ["Last exit", exit && `${exitSentence(exit)}, ${ago(session, exit.endTime, options)}`],
    ["Next start", nextStart(instances) && until(session, nextStart(instances), options)],
    ["Conditions", conditionSentences(service).join("; ")],
    ["Command", commandLine(spec?.process?.command)],
    ["Directory", spec?.process?.workingDirectory],
    [
      "Labels",
      Object.entries(spec?.labels ?? {})
        .map(([name, value]) => `${name}=${value}`)
        .join(", "),
    ],
    ["Logs", logPaths.slice(0, 4).join(", ") + (logPaths.length > 4 ? ", …" : "")],
    ["Defined", service.source || `over the API, ${ago(session, service.createTime, options)}`],
  ]);
  if (instances.length > 0) out.write(`\n${instanceTable(session, instances, usages, options).join("\n")}\n`);
  if (lastLines.length > 0) out.write("\n");
  const printer = new LogPrinter(session, { format: "text", timestamps: true });
  printer.expect(instances.map(({ name }) => name));
  printer.print({ entries: lastLines, gaps: [] });
  printer.end();
}

function stateSentence(session: Session, { status }: Service, options: TimeOptions): string {
  const times = (status?.instances ?? []).flatMap(({ stateTime }) => stateTime ?? []);
  const latest = times.sort((a, b) => Number(b.seconds - a.seconds))[0];
  const relative = isRelative(session, options) ? "for" : "since";
  const ready = `${status?.instancesReady ?? 0} of ${status?.instancesDesired ?? 0} ready`;
  return `${stateWord(status?.state ?? 0)}, ${ready}${latest ? `, ${relative} ${since(session, latest, options)}` : ""}`;
}

/** The check, and what it says where it is not well. */
function healthSentence({ spec, status }: Service): string | undefined {
  const checks = [spec?.health, spec?.liveness].flatMap((check) => (check ? checkWords(check) : []));
  if (checks.length === 0) return undefined;
  const worst = worstHealth(status?.instances ?? []);
  const complaint = complaintOf(worst);
  return `${worst ? healthWord(worst) : "nobody to ask"}${complaint ? `, ${complaint}` : ""} (${checks.join("; ")})`;
}

function desiredSentence({ spec, status, overrides }: Service): string {
  const word = status?.desired === Desired.STOPPED ? "stopped" : "running";
  const scaled = overrides?.instances === undefined ? "" : `, scaled to ${overrides.instances}`;
  const stopped = overrides?.stoppedInstances.length ? `, without #${overrides.stoppedInstances.join(" #")}` : "";
  return `${word}${scaled}${stopped}${spec?.autostart === false ? ", not started with pmd" : ""}`;
}

function dependencyWords({ spec }: Service): string {
  return [...Object.keys(spec?.dependsOn ?? {}), ...(spec?.after ?? []).map((name) => `${name} (only after it)`)].join(", ");
}

function conditionSentences(service: Service): string[] {
  const all = [...(service.status?.conditions ?? []), ...(service.status?.instances ?? []).flatMap(({ conditions }) => conditions)];
  const messages = new Set(all.flatMap(({ message }) => (message ? [message] : [])));
  return messages.size > 0 ? [...messages] : conditionWords(service);
}

function instanceTable(session: Session, instances: readonly Instance[], usages: UsageByInstance, options: TimeOptions): string[] {
  return tableLines(
    session.out,
    [
      { title: "INSTANCE", cell: ({ name }: Instance) => shortName(name), color: () => "bold" },
      { title: "STATE", cell: ({ state }) => stateWord(state), color: ({ state }) => stateColor(state) },
      { title: "READY", cell: ({ ready }) => (ready ? "yes" : "no") },
      { title: "PID", cell: ({ run }) => (run && run.pid > 0 ? String(run.pid) : "-") },
      ...(instances.some(({ run }) => run?.port) ? [{ title: "PORT", cell: ({ run }: Instance) => String(run?.port || "-") }] : []),
      { title: "RESTARTS", cell: ({ restarts }) => String(restarts) },
      {
        title: isRelative(session, options) ? "UPTIME" : "STARTED",
        cell: ({ run }) => since(session, run?.startTime, options),
      },
      { title: "CPU", cell: ({ name }) => percentage(usages.get(name)?.cpuPercent) },
      { title: "MEM", cell: ({ name }) => memory(sumUsage([{ name }], usages).memoryBytes) },
      { title: "LAST EXIT", cell: ({ lastExit }) => exitColumn(lastExit) },
    ],
    instances,
  );
}
