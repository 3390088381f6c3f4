import type { ServiceImpl } from "@connectrpc/connect";
import type { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { HealthCheckResponse_ServingStatus as Serving } from "../../gen/grpc/health/v1/health_pb.ts";
import { instanceKey, parseName, serviceKey } from "../core/names.ts";
import { serviceNotFound } from "../errors.ts";

// grpc.health.v1: pmd itself under the empty name, each of its APIs under its own, and every supervised service under the name by which pmctl
// knows it, so that load balancers and orchestrators can ask pmd instead of each program.

/** What health needs to know of the supervisor. */
export interface ReadinessSource {
  /** Whether a service (`default/web`) or instance (`default/web#1`) can do its work; undefined when there is none of this name. */
  readiness(name: string): boolean | undefined;
  /** Yields whenever something may have changed, and now and then besides; ends when the signal is aborted. */
  changes(signal: AbortSignal): AsyncIterable<unknown>;
}

export function healthService(source: ReadinessSource, apis: readonly string[]): ServiceImpl<typeof Health> {
  const own = new Set(["", ...apis]);

  return {
    check({ service }) {
      const status = statusOf(service);
      if (status === Serving.SERVICE_UNKNOWN) throw serviceNotFound(service);
      return { status };
    },

    /** Of pmd and its APIs; ListServices of the supervisor says more of services than this could. */
    list() {
      return { statuses: Object.fromEntries([...own].map((name) => [name, { status: Serving.SERVING }])) };
    },

    async *watch({ service }, { signal }) {
      // It listens before it looks, so that no change falls between.
      const changes = source.changes(signal)[Symbol.asyncIterator]();
      let next = changes.next();
      let told: Serving | undefined;
      do {
        const status = statusOf(service);
        if (status !== told) yield { status };
        told = status;
        const change = await next;
        if (change.done) return;
        next = changes.next();
      } while (!signal.aborted);
    },
  };

  function statusOf(service: string): Serving {
    if (own.has(service)) return Serving.SERVING;
    const name = parseName(service);
    const ready = name && source.readiness(fullName(name));
    if (ready === undefined) return Serving.SERVICE_UNKNOWN;
    return ready ? Serving.SERVING : Serving.NOT_SERVING;
  }
}

function fullName({ namespace, name, index }: { namespace: string; name: string; index?: number }): string {
  const service = serviceKey(namespace, name);
  return index === undefined ? service : instanceKey(service, index);
}
