import { displayName, instanceKey, serviceKey } from "../core/names.ts";
import type { EventLog } from "./event-log.ts";
import { describeExit } from "./exit-record.ts";
import type { FoundRun, Host, LiveRun } from "./host.ts";
import type { Store, StoredExit } from "./store.ts";
import type { SupervisedService } from "./supervised-service.ts";

interface Parts {
  readonly host: Host;
  readonly store: Store;
  readonly events: EventLog;
  readonly services: ReadonlyMap<string, SupervisedService>;
  readonly log: (message: string, details: object) => void;
}

/**
 * Takes over what an earlier pmd left: each run directory says which instance it was for. A run that is over is finished, so that its exit is
 * recorded; a run whose service is not known any more, or a second one of an instance, is ended. Instances that were at rest come to rest again.
 */
export function adoptRuns({ host, store, events, services, log }: Parts): number {
  const newestFirst = host.findRuns().sort((a, b) => b.startedAt - a.startedAt);
  const taken = new Set<string>();
  for (const found of newestFirst) {
    const { namespace, service: name, index } = found.order;
    const service = services.get(serviceKey(namespace, name));
    const slot = `${namespace}/${name}#${index}`;
    if (!service || taken.has(slot) || store.findRun(found.order.runId)?.end) {
      finish(found, { host, store, log });
      continue;
    }
    taken.add(slot);
    service.ensureInstance(index).adopt(found);
  }
  endVanishedRuns(new Set(newestFirst.map(({ order }) => order.runId)), { host, store, events });
  restoreRest({ host, store, services, taken });
  events.append({
    type: "daemon_started",
    message: taken.size > 0 ? `pmd started and found ${taken.size} runs` : "pmd started",
    attributes: { adopted: String(taken.size) },
  });
  return taken.size;
}

/** Nobody wants this run: it is ended if it lives, and its directory goes. */
function finish(found: FoundRun, { host, store, log }: Pick<Parts, "host" | "store" | "log">): void {
  const { runId, namespace, service, index } = found.order;
  const recorded = store.findRun(runId)?.end !== undefined;
  if (!recorded) log("a run that belongs to no instance is being ended", { runId, instance: displayName(`${namespace}/${service}#${index}`) });
  let run: LiveRun | undefined;
  run = host.adopt(found, {
    spawned: () => run?.kill(),
    orphaned: () => run?.kill(),
    gone: () => host.forget(runId),
  });
}

/** Runs of which no directory is left, most likely because the host was started again: nobody can say any more how they ended. */
function endVanishedRuns(found: ReadonlySet<string>, { host, store, events }: Pick<Parts, "host" | "store" | "events">): void {
  for (const { id, namespace, service, index, startedAt } of store.listOpenRuns()) {
    if (found.has(id)) continue;
    const message = "its run directory is gone: the host was started again, or somebody removed it";
    const endedAt = host.wallTime();
    const exit: StoredExit = { cause: "lost", endedAt, uptimeMs: Math.max(0, endedAt - startedAt), peakMemoryBytes: 0, lastLines: [], message };
    store.endRun(id, exit);
    const subject = instanceKey(serviceKey(namespace, service), index);
    events.append({
      type: "run_ended",
      subject,
      runId: id,
      message: `${displayName(subject)} ${describeExit(exit)}`,
      exit,
      attributes: { cause: "lost" },
    });
  }
}

function restoreRest({ host, store, services, taken }: Pick<Parts, "host" | "store" | "services"> & { taken: ReadonlySet<string> }): void {
  for (const [name, resting] of store.listResting()) {
    const at = name.lastIndexOf("#");
    const instance = services.get(name.slice(0, at))?.instance(Number(name.slice(at + 1)));
    if (instance && !taken.has(name) && resting.bootId === host.bootId) instance.restore(resting.phase, resting.reason);
  }
  for (const service of services.values()) {
    for (const run of store.listRuns(service.namespace, service.name, service.instances.length * 2 + 8).reverse()) {
      if (run.end) service.instance(run.index)?.rememberExit(run.end);
    }
  }
}
