import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { TargetResult_Outcome as Outcome, State, type TargetResult, TargetResultSchema } from "../gen/pm/v1/common_pb.ts";
import { Overrides_Desired as Desired, type Service } from "../gen/pm/v1/service_pb.ts";
import {
  CreateServiceResponseSchema,
  StartServicesResponseSchema,
  SupervisorService,
  UpdateServiceResponseSchema,
} from "../gen/pm/v1/supervisor_service_pb.ts";
import { carryOut } from "./carry-out.ts";
import type { StartOptions } from "./commands/start.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { Failure } from "./failure.ts";
import { formatOf } from "./options.ts";
import { describeRunning, reportResults, startWording } from "./results.ts";
import { safeText } from "./safe-text.ts";
import { serviceSpec } from "./service-spec.ts";
import { clientOf, type Session } from "./session.ts";
import type { StartPlan } from "./start-plan.ts";
import { waitOf } from "./waiting.ts";
import { counted, serviceName, shortName, stateWord } from "./words.ts";

type CreatePlan = StartPlan & { type: "create" };

/** Makes a service and starts it; one that is there already is changed only if the user said so. */
export async function createService(session: Session, plan: CreatePlan, options: StartOptions): Promise<ExitCode> {
  const order = orderOf(session, plan, options);
  const startedAt = session.now();
  const format = formatOf(options);
  const task = { doing: "starting", goal: "ready" as const, selector: { names: [`${order.namespace}/${order.name}`] }, options };
  try {
    const message = await carryOut(session, task, (call) =>
      clientOf(session, SupervisorService).createService({ ...order, wait: waitOf(options) }, call),
    );
    return await reportResults(session, { schema: CreateServiceResponseSchema, message, ...spokenResults(message), format, startedAt });
  } catch (error) {
    if (ConnectError.from(error).code !== Code.AlreadyExists) throw error;
    if (!options.replace) throw alreadyThere(order);
    return await replaceService(session, order, { ...task, startedAt, format });
  }
}

type Order = ReturnType<typeof orderOf>;

function orderOf({ cwd, env }: Session, { name, program }: CreatePlan, options: StartOptions) {
  const slash = name.indexOf("/");
  const [namespace, ownName] = slash === -1 ? [options.namespace ?? "default", name] : [name.slice(0, slash), name.slice(slash + 1)];
  return { namespace, name: ownName, spec: serviceSpec(ownName, program, options, { cwd, env }) };
}

function alreadyThere(order: Order): Failure {
  const name = safeText(serviceName(order));
  return new Failure(`${name} exists already: change it with --replace, or start it as it is with "pmctl start ${name}"`, exitCodes.conflict);
}

type Task = Parameters<typeof carryOut>[1] & { options: StartOptions; startedAt: number; format: ReturnType<typeof formatOf> };

async function replaceService(session: Session, { namespace, name, spec }: Order, task: Task): Promise<ExitCode> {
  const { startedAt, format, selector, options } = task;
  const { force = false } = options;
  const wait = waitOf(options);
  const client = clientOf(session, SupervisorService);
  const updated = await carryOut(session, task, (call) => client.updateService({ name: `${namespace}/${name}`, spec, wait, force }, call));
  if (updated.service?.status?.desired !== Desired.STOPPED || !options.autostart) {
    return await reportResults(session, { schema: UpdateServiceResponseSchema, message: updated, ...spokenResults(updated), format, startedAt });
  }
  // An update leaves a stopped service stopped, and the user said start.
  const message = await carryOut(session, task, (call) => client.startServices({ selector, wait }, call));
  return await reportResults(session, { schema: StartServicesResponseSchema, message, format, wording: startWording, startedAt });
}

/** Failures one by one; a success as one line about the service with its instances. */
export function spokenResults({ service, results }: { readonly service?: Service | undefined; readonly results: readonly TargetResult[] }) {
  if (!service || results.some(({ outcome }) => outcome === Outcome.FAILED)) return { results, wording: startWording };
  const outcome = results.find(({ outcome }) => outcome !== Outcome.UNCHANGED)?.outcome ?? Outcome.UNCHANGED;
  const state = service.status?.state ?? State.UNSPECIFIED;
  const summary: TargetResult = create(TargetResultSchema, { name: `${service.namespace}/${service.name}`, outcome, state });
  const done = () => describeService(service);
  return { results: [summary], wording: { ...startWording, done, unchanged: done } };
}

const mostInstances = 4;

/** `2 instances running (web#0 pid 4711, web#1 pid 4712)`. */
export function describeService({ namespace, name, spec, status }: Service): string {
  const live = (status?.instances ?? []).filter(({ run }) => run && run.pid > 0);
  const fullName = `${namespace}/${name}`;
  if (live.length === 0 && spec?.autostart === false) return `created, not started; start it with "pmctl start ${shortName(fullName)}"`;
  const state = status?.state ?? State.UNSPECIFIED;
  if (live.length < 2) return describeRunning({ state, pids: live.flatMap(({ run }) => run?.pid ?? []) });
  const shown = live.slice(0, mostInstances).map((instance) => `${shortName(instance.name)} pid ${instance.run?.pid}`);
  return `${counted(live.length, "instance")} ${stateWord(state)} (${shown.join(", ")}${live.length > mostInstances ? ", …" : ""})`;
}
