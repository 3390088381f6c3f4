import type { HealthCheck, HealthResult, HealthStatus } from "../../gen/pm/v1/health_pb.ts";
import type { Instance, Service } from "../../gen/pm/v1/service_pb.ts";
import { GetServiceResponseSchema, ListServicesResponseSchema, SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { spokenDuration } from "../figures.ts";
import { answerWords, checkWords, healthColor, healthWord } from "../health-words.ts";
import { printJson } from "../json-output.ts";
import { formatOf, type OutputOptions, outputOptions, selectorHelp, selectorOptions } from "../options.ts";
import { toMs } from "../quantities.ts";
import { safeText } from "../safe-text.ts";
import { paint } from "../screen.ts";
import { type SelectorOptions, selectorForRead } from "../selector.ts";
import { clientOf, promptly, type Session } from "../session.ts";
import { tableLines } from "../table.ts";
import { ago, isRelative, since, type TimeOptions } from "../time-text.ts";
import type { Verb } from "../verb.ts";
import { serviceName, shortName } from "../words.ts";

type HealthOptions = SelectorOptions & OutputOptions & TimeOptions;

/** One check of one instance. */
interface Row {
  readonly instance: Instance;
  readonly kind: "health" | "liveness";
  readonly check: HealthCheck;
  readonly health: HealthStatus | undefined;
}

export const verb: Verb<HealthOptions> = {
  operands: "[name...]",
  description: `Shows what health checks say, and, of one service, its last answers with what was printed. With names the exit code is 3 unless all of these are ready.\n\n${selectorHelp}`,
  examples: [
    "pmctl health                    # every service that has a check",
    "pmctl health web                # with the last answers",
    "pmctl health 'web-*' || echo 'not all are ready'",
  ],
  addOptions(command) {
    outputOptions(selectorOptions(command), ["table", "json"]).option("--abs-time", "times as RFC 3339, also on a terminal");
  },
  async run(session, { operands, options }) {
    const [name = "", ...others] = operands;
    const isOne = name !== "" && others.length === 0 && !/[*?#]/.test(name) && name !== "all";
    return isOne ? await showOne(session, name, options) : await showAll(session, operands, options);
  },
};

async function showAll(session: Session, names: readonly string[], options: HealthOptions): Promise<ExitCode> {
  const selector = selectorForRead(names, options);
  const response = await clientOf(session, SupervisorService).listServices({ selector }, promptly(session));
  const { services } = response;
  if (formatOf(options) === "json") await printJson(session, ListServicesResponseSchema, response);
  else printTable(session, services.flatMap(rowsOf), options);
  return names.length > 0 ? codeOf(services.filter(({ spec }) => spec?.health)) : exitCodes.ok;
}

async function showOne(session: Session, name: string, options: HealthOptions): Promise<ExitCode> {
  const full = options.namespace && !name.includes("/") ? `${options.namespace}/${name}` : name;
  const response = await clientOf(session, SupervisorService).getService({ name: full }, promptly(session));
  const { service } = response;
  if (formatOf(options) === "json" || !service) {
    await printJson(session, GetServiceResponseSchema, response);
    return codeOf(service ? [service] : []);
  }
  const rows = rowsOf(service);
  if (rows.length === 0) session.out.write(`${serviceName(service)} has no health check\n`);
  else printTable(session, rows, options);
  for (const row of rows) for (const result of row.health?.results ?? []) printResult(session, row, { result, options });
  return codeOf([service]);
}

function rowsOf({ spec, status }: Service): Row[] {
  return (status?.instances ?? []).flatMap((instance) => [
    ...(spec?.health ? [{ instance, kind: "health", check: spec.health, health: instance.health } as const] : []),
    ...(spec?.liveness ? [{ instance, kind: "liveness", check: spec.liveness, health: instance.liveness } as const] : []),
  ]);
}

function printTable(session: Session, rows: readonly Row[], options: TimeOptions): void {
  const lines = tableLines<Row>(
    session.out,
    [
      { title: "INSTANCE", cell: ({ instance }) => shortName(instance.name), color: () => "bold" },
      { title: "CHECK", cell: ({ kind }) => kind },
      { title: "STATE", cell: ({ health }) => healthWord(health), color: ({ health }) => healthColor(health) },
      { title: "READY", cell: ({ instance }) => (instance.ready ? "yes" : "no") },
      { title: isRelative(session, options) ? "FOR" : "SINCE", cell: ({ health }) => since(session, health?.stateTime, options) },
      { title: "ASKED", cell: ({ check }) => checkWords(check), shrinkTo: 12 },
      { title: "LAST ANSWER", cell: ({ health }) => lastAnswer(health), shrinkTo: 12 },
    ],
    rows,
  );
  session.out.write(`${lines.join("\n")}\n`);
}

function lastAnswer(health: HealthStatus | undefined): string {
  const [newest] = health?.results ?? [];
  return newest ? answerWords(newest) : "-";
}

function printResult(
  { out, ...session }: Session,
  { instance, kind }: Row,
  { result, options }: { result: HealthResult; options: TimeOptions },
): void {
  const took = result.duration ? ` in ${spokenDuration(toMs(result.duration))}` : "";
  const how = paint(out, result.ok ? "green" : "red", result.ok ? "passed" : "failed");
  const at = ago({ out, ...session }, result.time, options);
  out.write(`\n${shortName(instance.name)} ${kind}, ${at}: ${how}${took}, ${safeText(result.reason)}\n`);
  for (const line of result.output.trimEnd().split("\n").filter(Boolean)) out.write(`  ${safeText(line)}\n`);
}

function codeOf(services: readonly Service[]): ExitCode {
  const isReady = ({ status }: Service) => (status?.instances ?? []).length > 0 && (status?.instances ?? []).every(({ ready }) => ready);
  return services.every(isReady) ? exitCodes.ok : exitCodes.notRunning;
}
