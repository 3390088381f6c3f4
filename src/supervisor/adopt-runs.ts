import { displayName, instanceKey, serviceKey } from "../core/names.ts";
import { failpoint } from "../failpoint.ts";
import type { EventLog } from "./event-log.ts";
import { describeExit, exitRecord } from "./exit-record.ts";
import type { FoundRun, Host, LiveRun } from "./host.ts";
import type { Store, StoredExit, StoredRun } from "./store.ts";
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
  failpoint("adopt.found");
  for (const found of newestFirst) {
    const { namespace, service: name, index } = found.order;
    const service = services.get(serviceKey(namespace, name));
    const slot = `${namespace}/${name}#${index}`;
    if (!service || taken.has(slot) || store.findRun(found.order.runId)?.end) {
      finish(found, { host, store, events, services, log });
      continue;
    }
    taken.add(slot);
    service.ensureInstance(index).adopt(found);
    failpoint("adopt.one-taken");
  }
  failpoint("adopt.all-taken");
  endVanishedRuns(new Set(newestFirst.map(({ order }) => order.runId)), { host, store, events });
  restoreRest({ host, store, services, taken });
  events.append({
    type: "daemon_started",
    message: taken.size > 0 ? `pmd started and found ${taken.size} runs` : "pmd started",
    attributes: { adopted: String(taken.size) },
  });
  return taken.size;
}

/** Nobody wants this run: it is ended if it lives, its end is recorded if its service is known, and then its directory goes. */
function finish(found: FoundRun, { host, store, events, services, log }: Parts): void {
  const { runId, namespace, service, index, generation } = found.order;
  const known = store.findRun(runId);
  if (!known?.end) log("a run that belongs to no instance is being ended", { runId, instance: displayName(`${namespace}/${service}#${index}`) });
  let run: LiveRun | undefined;
  run = host.adopt(found, {
    spawned: () => run?.kill(),
    orphaned: () => run?.kill(),
    gone: (exit) => {
      if (!known?.end && services.has(serviceKey(namespace, service))) {
        const open = known ?? { id: runId, namespace, service, index, generation, pid: run?.pid ?? 0, startedAt: found.startedAt };
        if (!known) store.beginRun(open);
        recordEnd(open, exitRecord(exit, {}, 0), { store, events });
      }
      store.flushed().then(
        () => host.forget(runId),
        () => undefined, // never rejected
      );
    },
  });
}

/** Runs of which no directory is left, most likely because the host was started again: nobody can say any more how they ended. */
function endVanishedRuns(found: ReadonlySet<string>, { host, store, events }: Pick<Parts, "host" | "store" | "events">): void {
  for (const run of store.listOpenRuns()) {
    if (found.has(run.id)) continue;
    const message = "its run directory is gone: the host was started again, or somebody removed it";
    const endedAt = host.wallTime();
    const uptimeMs = Math.max(0, endedAt - run.startedAt);
    recordEnd(run, { cause: "lost", endedAt, uptimeMs, peakMemoryBytes: 0, lastLines: [], message }, { store, events });
  }
}

function recordEnd({ id, namespace, service, index }: StoredRun, exit: StoredExit, { store, events }: Pick<Parts, "store" | "events">): void {
  store.endRun(id, exit);
  const subject = instanceKey(serviceKey(namespace, service), index);
  const message = `${displayName(subject)} ${describeExit(exit)}`;
  events.append({ type: "run_ended", subject, runId: id, message, exit, attributes: { cause: exit.cause } });
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
