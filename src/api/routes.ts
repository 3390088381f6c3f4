import type { ConnectRouter } from "@connectrpc/connect";
import { DaemonService } from "../../gen/pm/v1/daemon_service_pb.ts";
import { EventService } from "../../gen/pm/v1/event_service_pb.ts";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { type Daemon, daemonService } from "./daemon-service.ts";
import { eventService } from "./event-service.ts";
import { supervisorService } from "./supervisor-service.ts";

export interface Parts {
  readonly daemon: Daemon;
  readonly supervisor: Supervisor;
}

/** Everything that pmd serves. */
export function routes({ daemon, supervisor }: Parts): (router: ConnectRouter) => void {
  return (router) => {
    router.service(DaemonService, daemonService(daemon));
    router.service(SupervisorService, supervisorService(supervisor));
    router.service(EventService, eventService(supervisor.events));
  };
}
