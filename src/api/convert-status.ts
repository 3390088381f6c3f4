import { create } from "@bufbuild/protobuf";
import { TargetResult_Outcome as Outcome, State, type TargetResult as TargetMessage, TargetResultSchema } from "../../gen/pm/v1/common_pb.ts";
import {
  Condition_Type as ConditionValue,
  Overrides_Desired as Desired,
  type Instance as InstanceMessage,
  InstanceSchema,
  type Overrides as OverridesMessage,
  OverridesSchema,
  type Service as ServiceMessage,
  ServiceSchema,
} from "../../gen/pm/v1/service_pb.ts";
import { type Explanation as ExplanationMessage, ExplanationSchema } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { invalidFields } from "../errors.ts";
import type { ExplanationView } from "../supervisor/explain.ts";
import type { Overrides } from "../supervisor/store.ts";
import {
  type ConditionType,
  type ConditionView,
  type InstanceView,
  type ServiceView,
  type StateWord,
  stateWords,
  type TargetView,
} from "../supervisor/view.ts";
import { problemOf } from "./connect-error.ts";
import { fromHealth } from "./convert-health.ts";
import { fromExit, fromRun } from "./convert-run.ts";
import { fromSpec } from "./convert-spec.ts";
import { fromWallTime } from "./convert-time.ts";

/** A list has only the newest result of each check. */
export function fromService(view: ServiceView, values: "masked" | "revealed" = "masked", mostResults = 1): ServiceMessage {
  return create(ServiceSchema, {
    name: view.name,
    namespace: view.namespace,
    spec: fromSpec(view.spec, values),
    overrides: fromOverrides(view.overrides),
    status: {
      desired: desires[view.desired],
      state: states[view.state],
      instancesDesired: view.instancesDesired,
      instancesReady: view.instancesReady,
      instances: view.instances.map((instance) => fromInstance(instance, mostResults)),
      conditions: view.conditions.map(fromCondition),
    },
    generation: BigInt(view.generation),
    createTime: fromWallTime(view.createdAt),
    updateTime: fromWallTime(view.updatedAt),
    source: view.source,
  });
}

export function fromInstance(view: InstanceView, mostResults = 1): InstanceMessage {
  return create(InstanceSchema, {
    name: view.name,
    index: view.index,
    state: states[view.state],
    ready: view.ready,
    ...(view.run && { run: fromRun(view.run, view.name) }),
    ...(view.lastExit && { lastExit: fromExit(view.lastExit) }),
    restarts: BigInt(view.restarts),
    stateTime: fromWallTime(view.stateSince),
    ...(view.nextStartAt !== undefined && { nextStartTime: fromWallTime(view.nextStartAt) }),
    conditions: view.conditions.map(fromCondition),
    health: fromHealth(view.health, mostResults),
    ...(view.liveness && { liveness: fromHealth(view.liveness, mostResults) }),
    stateReason: view.stateReason,
  });
}

export function fromExplanation({ name, state, sentence, lastExit, nextStartAt }: ExplanationView): ExplanationMessage {
  return create(ExplanationSchema, {
    name,
    ...(state && { state: states[state] }),
    sentence,
    ...(lastExit && { lastExit: fromExit(lastExit) }),
    ...(nextStartAt !== undefined && { nextStartTime: fromWallTime(nextStartAt) }),
  });
}

export function fromTarget(view: TargetView): TargetMessage {
  return create(TargetResultSchema, {
    name: view.name,
    outcome: outcomes[view.outcome],
    ...(view.error && { problem: problemOf(view.error) }),
    ...(view.state && { state: states[view.state] }),
    pids: [...view.pids],
  });
}

/** States that a selector names. One that says nothing is refused: without it the selector would select more. */
export function toStateWords(values: readonly State[], field = "selector.states"): StateWord[] {
  return values.map((value, position) => {
    const word = stateWords.find((word) => states[word] === value);
    if (word === undefined) throw invalidFields([{ field: `${field}[${position}]`, message: `${value} is no state` }]);
    return word;
  });
}

function fromOverrides(overrides: Overrides): OverridesMessage {
  return create(OverridesSchema, {
    desired: overrides.desired === undefined ? Desired.UNSPECIFIED : desires[overrides.desired],
    ...(overrides.instances !== undefined && { instances: overrides.instances }),
    stoppedInstances: [...overrides.stoppedInstances],
  });
}

function fromCondition({ type, message, since }: ConditionView) {
  return { type: conditions[type], message, since: fromWallTime(since) };
}

const states = {
  stopped: State.STOPPED,
  waiting: State.WAITING,
  starting: State.STARTING,
  running: State.RUNNING,
  stopping: State.STOPPING,
  backoff: State.BACKOFF,
  exited: State.EXITED,
  failed: State.FAILED,
  unknown: State.UNKNOWN,
} satisfies Record<StateWord, State>;

const desires = { running: Desired.RUNNING, stopped: Desired.STOPPED } satisfies Record<ServiceView["desired"], Desired>;

const conditions = {
  crash_loop: ConditionValue.CRASH_LOOP,
  oom_killed: ConditionValue.OOM_KILLED,
  config_stale: ConditionValue.CONFIG_STALE,
  adopted: ConditionValue.ADOPTED,
  survivors: ConditionValue.SURVIVORS,
  shim_lost: ConditionValue.SHIM_LOST,
  file_invalid: ConditionValue.FILE_INVALID,
} satisfies Record<ConditionType, ConditionValue>;

const outcomes = {
  done: Outcome.DONE,
  unchanged: Outcome.UNCHANGED,
  accepted: Outcome.ACCEPTED,
  failed: Outcome.FAILED,
} satisfies Record<TargetView["outcome"], Outcome>;
