import type { Verdict } from "../core/dependencies.ts";
import { displayName } from "../core/names.ts";
import type { StoredExit } from "./store.ts";
import type { SupervisedService } from "./supervised-service.ts";
import type { InstanceView, StateWord } from "./view.ts";

/** What is to be said of one service in a chain of causes. */
export interface ExplanationView {
  readonly name: string;
  /** Absent where there is no such service. */
  readonly state?: StateWord;
  readonly sentence: string;
  readonly lastExit?: StoredExit;
  readonly nextStartAt?: number;
}

/** More than anybody reads. */
const longestChain = 200;

/** Why a service is as it is: the service itself, then what it waits for, and what that waits for, to where it begins. */
export function explain(key: string, find: (key: string) => SupervisedService | undefined): ExplanationView[] {
  const chain = new Map<string, ExplanationView>();
  const ahead = [key];
  for (let next = ahead.shift(); next !== undefined && chain.size < longestChain; next = ahead.shift()) {
    if (chain.has(next)) continue;
    const service = find(next);
    chain.set(next, service ? explanationOf(service) : { name: next, sentence: `there is no service ${displayName(next)}` });
    ahead.push(...(service ? blockersOf(service) : []));
  }
  return [...chain.values()];
}

function blockersOf(service: SupervisedService): string[] {
  const waiting = service.instances.find(({ model }) => model.state.phase === "waiting");
  const verdict: Verdict | undefined = waiting?.verdict;
  return verdict?.type === "wait" ? verdict.blockers.map(({ name }) => name) : [];
}

function explanationOf(service: SupervisedService): ExplanationView {
  const state = service.state();
  // The instance that the state of the service is about.
  const instance = service.instances.find((instance) => instance.state === state);
  const view = instance?.view();
  const leaving = instance?.leaving ? "is to end when those that depend on it are gone, and " : "";
  return {
    name: service.key,
    state,
    sentence: `${service.shownName} ${leaving}${sentenceOf(service, state, view)}`,
    ...(view?.lastExit && { lastExit: view.lastExit }),
    ...(view?.nextStartAt !== undefined && { nextStartAt: view.nextStartAt }),
  };
}

function sentenceOf(service: SupervisedService, state: StateWord, view: InstanceView | undefined): string {
  switch (state) {
    case "stopped":
      return stoppedSentence(service, view);
    case "waiting":
      return view?.stateReason ?? "waits";
    case "starting":
      return "is starting";
    case "running":
      return view?.ready ? "is running, and ready" : "is running, and not ready";
    case "stopping":
      return "is stopping";
    case "backoff":
      return "is in backoff: it has ended, and is started again when its delay has passed";
    case "exited":
      return "has exited, and its restart policy leaves it at that";
    case "failed":
      return `has failed: ${view?.stateReason}`;
    case "unknown":
      return "was found by this pmd, and is being looked at";
  }
}

function stoppedSentence(service: SupervisedService, view: InstanceView | undefined): string {
  if (!view) return "has no instances";
  if (service.wants(view.index)) return "is to be started";
  const { desired, stoppedInstances } = service.stored.overrides;
  if (desired === "stopped" || stoppedInstances.includes(view.index)) return "is stopped: somebody has stopped it";
  return "is stopped: its autostart is false, and nobody has started it";
}
