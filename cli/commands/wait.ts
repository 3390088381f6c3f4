import { State } from "../../gen/pm/v1/common_pb.ts";
import type { Instance, Service } from "../../gen/pm/v1/service_pb.ts";
import { WatchResponse_Phase as Phase, SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { exitCodes } from "../exit-codes.ts";
import { exitSentence } from "../exit-words.ts";
import { Failure, usageError } from "../failure.ts";
import { spokenDuration } from "../figures.ts";
import { complaintOf } from "../health-words.ts";
import { durationOption, selectorHelp, selectorOptions } from "../options.ts";
import { atRest } from "../progress.ts";
import { type SelectorOptions, selectorForVerb } from "../selector.ts";
import { latestExit } from "../service-figures.ts";
import { clientOf, type Session } from "../session.ts";
import { readStream } from "../stream.ts";
import type { Verb } from "../verb.ts";
import { serviceName, stateWord } from "../words.ts";

const goals = ["ready", "stopped"] as const;
type Goal = (typeof goals)[number];
type WaitVerbOptions = SelectorOptions & { readonly for: Goal; readonly timeout: number };

export const verb: Verb<WaitVerbOptions> = {
  operands: "[name...]",
  description: `Waits until services are ready, or stopped. If they are so already it ends at once; if one fails on the way to ready, it ends with an error.\n\n${selectorHelp}`,
  examples: [
    "pmctl wait web                          # until it is ready, 90 s at most",
    "pmctl wait --all --for stopped --timeout 5m",
    "pmctl wait db && ./migrate.sh",
  ],
  addOptions(command) {
    command.option("--for <goal>", "ready or stopped", parseGoal, "ready");
    selectorOptions(durationOption(command, "--timeout <duration>", "how long at most (90s)").setOptionValue("timeout", 90_000));
  },
  async run(session, { operands, options }) {
    const selector = selectorForVerb("wait", operands, options);
    const goal = goalOf(operands, options.for);
    const timer = new AbortController();
    const timeout = setTimeout(() => timer.abort(), Math.min(options.timeout, 2_147_483_647));
    const limited: Session = { ...session, signal: AbortSignal.any([session.signal, timer.signal]) };
    const services = new Map<string, Service>();
    try {
      for await (const { phase, services: changed, removed } of readStream(limited, (call) =>
        clientOf(session, SupervisorService).watch({ selector }, call),
      )) {
        for (const service of changed) services.set(`${service.namespace}/${service.name}`, service);
        for (const name of removed) services.delete(name);
        if (phase !== Phase.SYNCED && phase !== Phase.CHANGES) continue;
        if (phase === Phase.SYNCED && services.size === 0) throw new Failure("nothing is selected", exitCodes.notFound);
        if ([...services.values()].every(goal)) return exitCodes.ok;
      }
      throw new Failure("pmd ended before it was so", exitCodes.unreachable);
    } catch (error) {
      if (timer.signal.aborted) throw timedOut([...services.values()], goal, options);
      throw error;
    } finally {
      clearTimeout(timeout);
    }
  },
};

/** Whether a service is where it should be; instances that were named stand for it. */
function goalOf(names: readonly string[], goal: Goal): (service: Service) => boolean {
  return (service) => {
    const instances = namedInstances(service, names);
    if (goal === "stopped") return instances.every(({ state }) => atRest(state));
    const failed = instances.find(({ state }) => state === State.FAILED);
    if (failed) throw new Failure(`${serviceName(service)} has failed${howItEnded([failed])}`);
    return instances.length > 0 ? instances.every(({ ready }) => ready) : service.status?.instancesDesired === 0;
  };
}

function namedInstances({ namespace, name, status }: Service, names: readonly string[]): Instance[] {
  const indexes = names.flatMap((text) => {
    const [of = "", index] = text.split("#");
    return index !== undefined && (of === name || of === `${namespace}/${name}`) ? [Number(index)] : [];
  });
  return (status?.instances ?? []).filter(({ index }) => indexes.length === 0 || indexes.includes(index));
}

function howItEnded(instances: readonly Instance[]): string {
  const exit = latestExit(instances);
  return exit ? `: ${exitSentence(exit)}` : "";
}

function timedOut(services: readonly Service[], reached: (service: Service) => boolean, options: WaitVerbOptions): Failure {
  const late = services
    .filter((service) => !reached(service))
    .map((service) => `${serviceName(service)} is ${stateWord(service.status?.state ?? 0)}${whyNotReady(service)}`);
  return new Failure(
    `not ${options.for} within ${spokenDuration(options.timeout)}: ${late.slice(0, 5).join(", ")}${late.length > 5 ? ", …" : ""}`,
    exitCodes.timedOut,
  );
}

/** What runs and is not ready has been told something by its check. */
function whyNotReady({ status }: Service): string {
  const [complaint] = (status?.instances ?? []).flatMap(({ health }) => complaintOf(health) ?? []);
  return complaint ? ` and not ready (${complaint})` : "";
}

function parseGoal(text: string): Goal {
  const goal = goals.find((goal) => goal === text);
  if (!goal) throw usageError(`--for: ${JSON.stringify(text)} is nothing to wait for: say ready or stopped`);
  return goal;
}
