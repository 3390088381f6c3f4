import type { ServiceImpl } from "@connectrpc/connect";
import { WatchResponse_Phase as Phase, type SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { defaultNamespace, serviceKey } from "../core/names.ts";
import type { ServiceSpec } from "../core/spec.ts";
import { requestPurge } from "../logs/pump-client.ts";
import { keptResults } from "../supervisor/health-watch.ts";
import { type Selector, select } from "../supervisor/selection.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { fromStoredRun } from "./convert-run.ts";
import { toSelector, toVerbSelector } from "./convert-selector.ts";
import { toSignal } from "./convert-signal.ts";
import { toSpec } from "./convert-spec.ts";
import { fromExplanation, fromService, fromTarget } from "./convert-status.ts";
import { toMs } from "./convert-time.ts";
import { toWait } from "./convert-wait.ts";
import { toFileOrders } from "./log-service.ts";

/** A stream that is silent longer than this says that it is alive. */
export const heartbeatMs = 15_000;
/** Services in one message of a snapshot. */
const snapshotPart = 100;

export function supervisorService(supervisor: Supervisor, runtimeDir: string): ServiceImpl<typeof SupervisorService> {
  const { services } = supervisor;
  return {
    listServices: ({ selector }) => ({ services: services.list(selector && toSelector(selector)).map((view) => fromService(view)) }),

    getService({ name, runHistory, revealEnvironment }) {
      const service = fromService(services.get(name).view(), revealEnvironment ? "revealed" : "masked", keptResults);
      return { service, runs: runHistory > 0 ? services.runs(name, runHistory).map(fromStoredRun) : [] };
    },

    explainService: ({ name }) => ({ chain: services.explain(name).map(fromExplanation) }),

    async createService({ name, namespace, spec, validateOnly, wait }, { signal }) {
      const wanted = { name, namespace: namespace || defaultNamespace, spec: required(spec && toSpec(spec)) };
      if (validateOnly) {
        supervisor.checkNew(wanted);
        return {};
      }
      const { service, results } = await supervisor.create(wanted, toWait(wait), signal);
      return { service: fromService(service), results: results.map(fromTarget) };
    },

    async updateService({ name, spec, expectedGeneration, leaveRunning, validateOnly, wait, force }, { signal }) {
      const next = required(spec && toSpec(spec, { stored: services.get(name).spec }));
      const how = { force, ...(expectedGeneration > 0n && { expectedGeneration: Number(expectedGeneration) }) };
      if (validateOnly) return { service: fromService(supervisor.checkUpdate(name, next, how).view()) };
      const { service, results } = await supervisor.update(name, next, { ...how, leaveRunning }, toWait(wait), signal);
      return { service: fromService(service), results: results.map(fromTarget) };
    },

    async deleteServices({ selector, purgeLogs, validateOnly, wait, grace, force }, { signal }) {
      const how = { validateOnly, force, ...(grace && { graceMs: toMs(grace) }) };
      const logs = purgeLogs && !validateOnly ? services.logSources(select(toVerbSelector(selector), services.sorted())) : [];
      const results = await supervisor.delete(toVerbSelector(selector), how, toWait(wait), signal);
      const gone = new Set(results.filter(({ outcome }) => outcome === "done").map(({ name }) => name));
      const files = toFileOrders(logs.filter(({ instance }) => gone.has(instance.slice(0, instance.lastIndexOf("#")))));
      if (files.length > 0) await requestPurge(runtimeDir, { files, rotatedOnly: false }, signal);
      return { results: results.map(fromTarget) };
    },

    async startServices({ selector, wait }, { signal }) {
      const results = await supervisor.start(toVerbSelector(selector), toWait(wait), signal);
      return { results: results.map(fromTarget) };
    },

    async stopServices({ selector, grace, wait }, { signal }) {
      const results = await supervisor.stop(toVerbSelector(selector), grace ? { graceMs: toMs(grace) } : {}, toWait(wait), signal);
      return { results: results.map(fromTarget) };
    },

    async restartServices({ selector, requestId, wait }, { signal }) {
      const results = await supervisor.restart(toVerbSelector(selector), requestId, toWait(wait), signal);
      return { results: results.map(fromTarget) };
    },

    async reloadServices({ selector }) {
      const results = await supervisor.reload(toVerbSelector(selector));
      return { results: results.map(fromTarget) };
    },

    async signalServices({ selector, signal, group }) {
      const results = await supervisor.signal(toVerbSelector(selector), toSignal(signal, "signal"), group ? "group" : "main");
      return { results: results.map(fromTarget) };
    },

    async scaleService({ name, instances, wait }, { signal }) {
      const { service, results } = await supervisor.scale(name, instances, toWait(wait), signal);
      return { service: fromService(service), results: results.map(fromTarget) };
    },

    async *watch({ selector: message }, { signal }) {
      const selector = message && toSelector(message);
      const known = new Set<string>();
      // The feed begins before the snapshot is taken: what changes meanwhile comes again, and nothing is missed.
      const changes = services.changes.watch(signal, heartbeatMs);
      const first = changes.next();
      const snapshot = services.list(selector);
      for (const view of snapshot) known.add(`${view.namespace}/${view.name}`);
      for (let at = 0; at < snapshot.length; at += snapshotPart) {
        yield { phase: Phase.SNAPSHOT, services: snapshot.slice(at, at + snapshotPart).map((view) => fromService(view)) };
      }
      yield { phase: Phase.SYNCED };
      for (let batch = await first; !batch.done; batch = await changes.next()) yield changesIn(batch.value, selector, known);
    },
  };

  /** What has changed within the selection, and what has left it. */
  function changesIn(names: ReadonlySet<string>, selector: Selector | undefined, known: Set<string>) {
    const present = [...names].flatMap((name) => services.find(name, selector)?.view() ?? []);
    const keys = present.map(({ namespace, name }) => serviceKey(namespace, name));
    const removed = [...names].filter((name) => known.has(name) && !keys.includes(name));
    for (const name of removed) known.delete(name);
    for (const key of keys) known.add(key);
    const silent = present.length === 0 && removed.length === 0;
    return { phase: silent ? Phase.HEARTBEAT : Phase.CHANGES, services: present.map((view) => fromService(view)), removed };
  }
}

function required(spec: ServiceSpec | undefined): ServiceSpec {
  // The rules of the proto have seen to it.
  if (!spec) throw new Error("a request without a spec passed validation");
  return spec;
}
