import { TargetResult_Outcome as Outcome } from "../../gen/pm/v1/common_pb.ts";
import type { Service } from "../../gen/pm/v1/service_pb.ts";
import { StartServicesResponseSchema, SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { applyFile, reportApplied } from "../apply-file.ts";
import { carryOut } from "../carry-out.ts";
import { type ApplyOptions, applyOptions, applyOptionsOf, configFileOf, type FileOptions, fileOptions } from "../config-file.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { formatOf, type OutputOptions, outputOptions, waitOptions } from "../options.ts";
import { reportResults, startWording } from "../results.ts";
import { clientOf, promptly, type Session } from "../session.ts";
import type { Verb } from "../verb.ts";
import { type WaitOptions, waitOf } from "../waiting.ts";

type UpOptions = FileOptions & ApplyOptions & WaitOptions & OutputOptions;

export const verb: Verb<UpOptions> = {
  operands: "[name...]",
  description: `Makes services be what a file says, and starts those that do not run, also if they were stopped by hand. With names it is about those
alone. What the file says is not to be started with pmd is started only when it is named.`,
  examples: ["pmctl up                    # ./pm.yaml", "pmctl up -f stack.yaml web   # of its services only web"],
  addOptions(command) {
    waitOptions(applyOptions(fileOptions(command))).option("--wait", "wait until they are ready, as is done anyway");
    outputOptions(command, ["table", "json"]);
  },
  async run(session, { operands, options }) {
    const request = { file: configFileOf(session, options), options: { ...applyOptionsOf(options), names: [...operands] } };
    const applied = await applyFile(session, request, options);
    const exitCode = await reportApplied(session, applied, options);
    const failed = new Set(applied.results.filter(({ outcome }) => outcome === Outcome.FAILED).map(({ name }) => name));
    const names = (applied.plan?.services ?? []).filter(({ defined, name }) => defined && !failed.has(name)).map(({ name }) => name);
    const started = await startThoseAtRest(session, names, operands.length > 0, options);
    return exitCode === exitCodes.ok ? started : exitCode;
  },
};

async function startThoseAtRest(session: Session, names: readonly string[], named: boolean, options: UpOptions): Promise<ExitCode> {
  const { services } = await clientOf(session, SupervisorService).listServices({ selector: { all: true, namespace: "*" } }, promptly(session));
  const meant = new Set(names);
  const idle = services
    .filter((service) => meant.has(fullName(service)) && !isUp(service) && (named || service.spec?.autostart !== false))
    .map(fullName);
  if (idle.length === 0) return exitCodes.ok;
  const selector = { names: idle };
  const startedAt = session.now();
  const message = await carryOut(session, { doing: "starting", goal: "ready", selector, options }, (call) =>
    clientOf(session, SupervisorService).startServices({ selector, wait: waitOf(options) }, call),
  );
  return await reportResults(session, {
    schema: StartServicesResponseSchema,
    message,
    format: formatOf(options),
    wording: startWording,
    startedAt,
  });
}

function fullName({ namespace, name }: Service): string {
  return `${namespace}/${name}`;
}

function isUp({ status }: Service): boolean {
  return status !== undefined && status.instancesReady > 0 && status.instancesReady === status.instancesDesired;
}
