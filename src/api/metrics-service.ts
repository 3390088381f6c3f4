import type { ServiceImpl } from "@connectrpc/connect";
import type { Selector as SelectorMessage } from "../../gen/pm/v1/common_pb.ts";
import type { MetricsService } from "../../gen/pm/v1/metrics_service_pb.ts";
import { hostSubject, type UsagePoint } from "../metrics/usage-history.ts";
import type { HostSample, InstanceSample, UsageSample } from "../metrics/usage-sample.ts";
import type { UsageSampler } from "../metrics/usage-sampler.ts";
import { instancesOf } from "../supervisor/selection.ts";
import type { Services } from "../supervisor/services.ts";
import { toSelector } from "./convert-selector.ts";
import { fromMs, fromWallTime, toMs, toMsOr, toWallTime } from "./convert-time.ts";

const defaultIntervalMs = 1000;

export function metricsService(services: Services, sampler: UsageSampler): ServiceImpl<typeof MetricsService> {
  return {
    async getMetrics({ selector }) {
      const wanted = selectedInstances(selector);
      return toMessage(await sampler.sample(), wanted);
    },

    queryMetrics({ selector, startTime, endTime, step, includeHost }) {
      const start = toWallTime(startTime);
      const end = toWallTime(endTime);
      const range = { ...(start !== undefined && { start }), ...(end !== undefined && { end }), ...(step && { stepMs: toMs(step) }) };
      const subjects = [...(includeHost ? [hostSubject] : []), ...[...selectedInstances(selector)].sort()];
      return { series: subjects.map((instance) => ({ instance, points: sampler.history.query(instance, range).map(fromPoint) })) };
    },

    async *watchMetrics({ selector, interval }, { signal }) {
      selectedInstances(selector); // a name that names nothing is an error now, and not silence for ever
      for await (const sample of sampler.watch(toMsOr(interval, defaultIntervalMs), signal)) yield toMessage(sample, selectedInstances(selector));
    },
  };

  function selectedInstances(selector: SelectorMessage | undefined): Set<string> {
    const targets = services.targets(selector && toSelector(selector));
    return new Set(targets.flatMap((target) => instancesOf(target).map(({ name }) => name)));
  }
}

function toMessage({ at, host, instances }: UsageSample, wanted: ReadonlySet<string>) {
  const selected = instances.filter(({ instance }) => wanted.has(instance)).sort((a, b) => (a.instance < b.instance ? -1 : 1));
  return { time: fromWallTime(at), host: fromHost(host), instances: selected.map(fromInstance) };
}

function fromHost({ memoryUsedBytes, memoryTotalBytes, ...host }: HostSample) {
  return { ...host, memoryUsedBytes: BigInt(memoryUsedBytes), memoryTotalBytes: BigInt(memoryTotalBytes) };
}

function fromInstance({ instance, memoryBytes, uptimeMs, restarts, ...usage }: InstanceSample) {
  const figures = { ...usage, memoryBytes: BigInt(Math.round(memoryBytes)), uptime: fromMs(uptimeMs), restarts: BigInt(restarts) };
  return { instance, usage: figures };
}

function fromPoint({ at, memoryBytes, ...usage }: UsagePoint) {
  return { ...usage, time: fromWallTime(at), memoryBytes: BigInt(Math.round(memoryBytes)) };
}
