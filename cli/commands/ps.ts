import { type GetMetricsResponse, MetricsService } from "../../gen/pm/v1/metrics_service_pb.ts";
import { type Service, ServiceSchema } from "../../gen/pm/v1/service_pb.ts";
import { ListServicesResponseSchema, SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { exitCodes } from "../exit-codes.ts";
import { exitColumn } from "../exit-words.ts";
import { percentage } from "../figures.ts";
import { healthColor, healthWord, worstHealth } from "../health-words.ts";
import { printJson, printJsonLines } from "../json-output.ts";
import { formatOf, type OutputOptions, outputOptions, selectorHelp, selectorOptions } from "../options.ts";
import { type SelectorInit, type SelectorOptions, selectorForRead } from "../selector.ts";
import {
  commandLine,
  conditionWords,
  latestExit,
  livePids,
  memory,
  nextStart,
  stateColor,
  stateReasons,
  sumUsage,
  type UsageByInstance,
  usageByInstance,
  youngestStart,
} from "../service-figures.ts";
import { clientOf, promptly, type Session } from "../session.ts";
import { type Column, tableLines } from "../table.ts";
import { isRelative, since, type TimeOptions, until } from "../time-text.ts";
import type { Verb } from "../verb.ts";
import { serviceName, stateWord } from "../words.ts";

export type PsOptions = SelectorOptions & OutputOptions & TimeOptions;

export const verb: Verb<PsOptions> = {
  operands: "[name...]",
  description: `Lists services.\n\n${selectorHelp}`,
  examples: [
    "pmctl ps                          # every service of every namespace",
    "pmctl ps 'web-*' -o wide          # with conditions, last exits and commands",
    "pmctl ps --state failed -o name   # the names of what has failed",
    "pmctl ps --json | jq '.services[0].status.instances[].state'",
  ],
  addOptions(command) {
    outputOptions(selectorOptions(command)).option("--abs-time", "times as RFC 3339, also on a terminal");
  },
  async run(session, { operands, options }) {
    const selector = selectorForRead(operands, options);
    const format = formatOf(options);
    const wantsMetrics = format === "table" || format === "wide";
    const [response, metrics] = await Promise.all([
      clientOf(session, SupervisorService).listServices({ selector }, promptly(session)),
      wantsMetrics ? findMetrics(session, selector) : undefined,
    ]);
    const { services } = response;
    switch (format) {
      case "json":
        await printJson(session, ListServicesResponseSchema, response);
        break;
      case "jsonl":
        await printJsonLines(session, ServiceSchema, services);
        break;
      case "name":
        for (const service of services) session.out.write(`${serviceName(service)}\n`);
        break;
      case "table":
      case "wide":
        printTable(session, services, columnsOf(session, services, usageByInstance(metrics), { ...options, wide: format === "wide" }));
    }
    return exitCodes.ok;
  },
};

/** A list without figures is better than no list. */
async function findMetrics(session: Session, selector: SelectorInit): Promise<GetMetricsResponse | undefined> {
  try {
    return await clientOf(session, MetricsService).getMetrics({ selector }, promptly(session));
  } catch {
    return undefined;
  }
}

function printTable({ out }: Session, services: readonly Service[], columns: readonly Column<Service>[]): void {
  if (services.length === 0 && out.isTerminal) out.write("no services; make one: pmctl start ./app.js --name web\n");
  else out.write(`${tableLines(out, columns, services).join("\n")}\n`);
}

function columnsOf(
  session: Session,
  services: readonly Service[],
  usages: UsageByInstance,
  options: TimeOptions & { wide: boolean },
): Column<Service>[] {
  const instancesOf = ({ status }: Service) => status?.instances ?? [];
  const usageOf = (service: Service) => sumUsage(instancesOf(service), usages);
  const severalNamespaces = new Set(services.map(({ namespace }) => namespace)).size > 1;
  const hasChecks = services.some(({ spec }) => spec?.health || spec?.liveness);
  const health: Column<Service> = {
    title: "HEALTH",
    cell: (service) => healthWord(worstHealth(instancesOf(service))),
    color: (service) => healthColor(worstHealth(instancesOf(service))),
  };
  const namespace: Column<Service> = { title: "NAMESPACE", cell: ({ namespace }) => namespace, shrinkTo: 10 };
  const reason: Column<Service> = { title: "REASON", cell: (service) => stateReasons(service).join("; ") || "-", shrinkTo: 20 };
  return [
    ...(severalNamespaces || options.wide ? [namespace] : []),
    { title: "NAME", cell: ({ name }) => name, shrinkTo: 12, color: () => "bold" },
    { title: "STATE", cell: ({ status }) => stateWord(status?.state ?? 0), color: ({ status }) => stateColor(status?.state ?? 0) },
    { title: "READY", cell: ({ status }) => `${status?.instancesReady ?? 0}/${status?.instancesDesired ?? 0}` },
    ...(hasChecks ? [health] : []),
    { title: "PID", cell: (service) => livePids(instancesOf(service)).join(" ") || "-", shrinkTo: 8 },
    ...(services.some((service) => portsOf(service).length > 0)
      ? [{ title: "PORT", cell: (service: Service) => portsOf(service).join(" ") || "-", shrinkTo: 6 }]
      : []),
    { title: "RESTARTS", cell: (service) => String(instancesOf(service).reduce((sum, { restarts }) => sum + Number(restarts), 0)) },
    { title: isRelative(session, options) ? "UPTIME" : "STARTED", cell: (service) => since(session, youngestStart(instancesOf(service)), options) },
    { title: "CPU", cell: (service) => percentage(usageOf(service).cpuPercent) },
    { title: "MEM", cell: (service) => memory(usageOf(service).memoryBytes) },
    ...(services.some((service) => stateReasons(service).length > 0) ? [reason] : []),
    ...(options.wide ? wideColumns(session, instancesOf, options) : []),
  ];
}

function portsOf({ status }: Service): number[] {
  return (status?.instances ?? []).flatMap(({ run }) => run?.port || []);
}

function wideColumns(
  session: Session,
  instancesOf: (service: Service) => NonNullable<Service["status"]>["instances"],
  options: TimeOptions,
): Column<Service>[] {
  return [
    { title: "LAST EXIT", cell: (service) => exitColumn(latestExit(instancesOf(service))) },
    { title: "NEXT START", cell: (service) => until(session, nextStart(instancesOf(service)), options) },
    { title: "CONDITIONS", cell: (service) => conditionWords(service).join(", ") || "-", shrinkTo: 10 },
    { title: "COMMAND", cell: ({ spec }) => commandLine(spec?.process?.command), shrinkTo: 12 },
  ];
}
