import { create } from "@bufbuild/protobuf";
import { type Event as EventMessage, EventSchema, EventType as EventTypeValue } from "../../gen/pm/v1/event_service_pb.ts";
import {
  ExitRecord_Cause as Cause,
  type ExitRecord as ExitMessage,
  ExitRecordSchema,
  type Run as RunMessage,
  RunSchema,
} from "../../gen/pm/v1/process_pb.ts";
import { instanceKey, serviceKey } from "../core/names.ts";
import { invalidFields } from "../errors.ts";
import { type EventType, type ExitCause, eventTypes, type StoredEvent, type StoredExit, type StoredRun } from "../supervisor/store.ts";
import type { RunView } from "../supervisor/view.ts";
import { fromMs, fromWallTime } from "./convert-time.ts";

/** A run of the history. */
export function fromStoredRun(run: StoredRun): RunMessage {
  return create(RunSchema, {
    id: run.id,
    instance: instanceKey(serviceKey(run.namespace, run.service), run.index),
    pid: run.pid,
    startTime: fromWallTime(run.startedAt),
    ...(run.end && { exit: fromExit(run.end) }),
    generation: BigInt(run.generation),
  });
}

/** The run that an instance has now. */
export function fromRun(run: RunView, instance: string): RunMessage {
  return create(RunSchema, {
    id: run.id,
    instance,
    pid: run.pid,
    startTime: fromWallTime(run.startedAt),
    adopted: run.adopted,
    port: run.port,
    generation: BigInt(run.generation),
  });
}

export function fromExit(exit: StoredExit): ExitMessage {
  return create(ExitRecordSchema, {
    cause: causes[exit.cause],
    ...(exit.code !== undefined && { code: exit.code }),
    signal: exit.signal ?? "",
    endTime: fromWallTime(exit.endedAt),
    uptime: fromMs(exit.uptimeMs),
    peakMemoryBytes: BigInt(exit.peakMemoryBytes),
    lastLines: [...exit.lastLines],
    message: exit.message,
  });
}

export function fromEvent(event: StoredEvent): EventMessage {
  return create(EventSchema, {
    sequence: BigInt(event.sequence),
    time: fromWallTime(event.at),
    type: types[event.type],
    subject: event.subject,
    runId: event.runId,
    message: event.message,
    attributes: { ...event.attributes },
    ...(event.exit && { exit: fromExit(event.exit) }),
  });
}

/** Types that a filter names. One that says nothing is refused: without it the filter would let more through. */
export function toEventTypes(values: readonly EventTypeValue[], field = "filter.types"): EventType[] {
  return values.map((value, position) => {
    const type = eventTypes.find((type) => types[type] === value);
    if (type === undefined) throw invalidFields([{ field: `${field}[${position}]`, message: `${value} is no type of event` }]);
    return type;
  });
}

const causes = {
  exited: Cause.EXITED,
  signalled: Cause.SIGNALLED,
  stopped_by_request: Cause.STOPPED_BY_REQUEST,
  replaced: Cause.REPLACED,
  start_timeout: Cause.START_TIMEOUT,
  unhealthy: Cause.UNHEALTHY,
  memory_limit: Cause.MEMORY_LIMIT,
  oom: Cause.OOM,
  overtime: Cause.OVERTIME,
  ttl: Cause.TTL,
  dependency: Cause.DEPENDENCY,
  spawn_failed: Cause.SPAWN_FAILED,
  lost: Cause.LOST,
} satisfies Record<ExitCause, Cause>;

const types = {
  daemon_started: EventTypeValue.DAEMON_STARTED,
  daemon_stopping: EventTypeValue.DAEMON_STOPPING,
  store_reset: EventTypeValue.STORE_RESET,
  pump_started: EventTypeValue.PUMP_STARTED,
  pump_stalled: EventTypeValue.PUMP_STALLED,
  service_created: EventTypeValue.SERVICE_CREATED,
  service_updated: EventTypeValue.SERVICE_UPDATED,
  service_deleted: EventTypeValue.SERVICE_DELETED,
  intent_changed: EventTypeValue.INTENT_CHANGED,
  state_changed: EventTypeValue.STATE_CHANGED,
  run_started: EventTypeValue.RUN_STARTED,
  run_ended: EventTypeValue.RUN_ENDED,
  run_adopted: EventTypeValue.RUN_ADOPTED,
  crash_loop: EventTypeValue.CRASH_LOOP,
  gave_up: EventTypeValue.GAVE_UP,
  survivors: EventTypeValue.SURVIVORS,
  signalled: EventTypeValue.SIGNALLED,
  reloaded: EventTypeValue.RELOADED,
  health_changed: EventTypeValue.HEALTH_CHANGED,
} satisfies Record<EventType, EventTypeValue>;
