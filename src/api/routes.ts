import type { ConnectRouter } from "@connectrpc/connect";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { ConfigService } from "../../gen/pm/v1/config_service_pb.ts";
import { DaemonService } from "../../gen/pm/v1/daemon_service_pb.ts";
import { EventService } from "../../gen/pm/v1/event_service_pb.ts";
import { LogService } from "../../gen/pm/v1/log_service_pb.ts";
import { MetricsService } from "../../gen/pm/v1/metrics_service_pb.ts";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import type { UsageSampler } from "../metrics/usage-sampler.ts";
import type { Definitions } from "../supervisor/definitions.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { configService } from "./config-service.ts";
import { type Daemon, daemonService } from "./daemon-service.ts";
import { eventService } from "./event-service.ts";
import { healthService } from "./health-service.ts";
import { logService } from "./log-service.ts";
import { metricsService } from "./metrics-service.ts";
import { reflectionRoutes } from "./reflection.ts";
import { heartbeatMs, supervisorService } from "./supervisor-service.ts";

const services = [DaemonService, SupervisorService, ConfigService, LogService, MetricsService, EventService];

export interface Parts {
  readonly daemon: Daemon;
  readonly supervisor: Supervisor;
  readonly definitions: Definitions;
  readonly sampler: UsageSampler;
}

/** Everything that pmd serves. */
export function routes({ daemon, supervisor, definitions, sampler }: Parts): (router: ConnectRouter) => void {
  const health = healthService(
    { readiness: (name) => supervisor.services.isReady(name), changes: (signal) => supervisor.services.changes.watch(signal, heartbeatMs) },
    services.map(({ typeName }) => typeName),
  );
  return (router) => {
    router.service(DaemonService, daemonService(daemon));
    router.service(SupervisorService, supervisorService(supervisor, daemon.runtimeDir));
    router.service(ConfigService, configService(definitions));
    router.service(LogService, logService(supervisor.services, daemon.runtimeDir));
    router.service(MetricsService, metricsService(supervisor.services, sampler));
    router.service(EventService, eventService(supervisor.services.events));
    router.service(Health, health);
    reflectionRoutes(router, [...services, Health]);
  };
}
