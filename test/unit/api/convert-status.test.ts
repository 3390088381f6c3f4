import { toJson } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { type State, StateSchema } from "../../../gen/pm/v1/common_pb.ts";
import { EventSchema, type EventType, EventTypeSchema } from "../../../gen/pm/v1/event_service_pb.ts";
import { ExitRecord_CauseSchema, RunSchema } from "../../../gen/pm/v1/process_pb.ts";
import { Condition_TypeSchema, ServiceSchema } from "../../../gen/pm/v1/service_pb.ts";
import { fromEvent, fromExit, fromStoredRun, toEventTypes } from "../../../src/api/convert-run.ts";
import { fromService, fromTarget, toStateWords } from "../../../src/api/convert-status.ts";
import { defaults } from "../../../src/core/spec.ts";
import { timedOut } from "../../../src/errors.ts";
import { eventTypes, exitCauses, type StoredExit } from "../../../src/supervisor/store.ts";
import { type ConditionType, type ServiceView, stateWords } from "../../../src/supervisor/view.ts";

const exit: StoredExit = {
  cause: "signalled",
  signal: "SIGSEGV",
  endedAt: 1_700_000_000_500,
  uptimeMs: 1500,
  peakMemoryBytes: 7,
  lastLines: ["oh"],
  message: "",
};

const view: ServiceView = {
  namespace: "default",
  name: "web",
  spec: {
    process: {
      command: { argv: ["web"], shell: "", args: [] },
      workingDirectory: "",
      environment: { vars: { KEY: "secret" }, files: [], inherit: false },
      stop: defaults.stop,
      logs: defaults.logs,
    },
    instances: 1,
    autostart: true,
    restart: defaults.restart,
    start: defaults.start,
    labels: {},
    description: "",
  },
  overrides: { stoppedInstances: [1], instances: 0 },
  generation: 3,
  createdAt: 1_700_000_000_000,
  updatedAt: 1_700_000_001_000,
  source: "/etc/pmd/pm.yaml",
  desired: "running",
  state: "backoff",
  instancesDesired: 1,
  instancesReady: 0,
  instances: [
    {
      name: "default/web#0",
      index: 0,
      state: "backoff",
      ready: false,
      run: { id: "r1", pid: 42, startedAt: 1_700_000_000_000, adopted: true, generation: 2, port: 3000 },
      health: {
        state: "unhealthy",
        since: 1_700_000_001_000,
        failures: 3,
        results: [
          { at: 1_700_000_001_000, durationMs: 12, ok: false, reason: "status 503", output: "no" },
          { at: 1_700_000_000_000, durationMs: 10, ok: true, reason: "status 200", output: "" },
        ],
      },
      lastExit: exit,
      restarts: 4,
      stateReason: "said why",
      stateSince: 1_700_000_001_000,
      nextStartAt: 1_700_000_002_000,
      conditions: [{ type: "crash_loop", message: "5 ends", since: 1_700_000_001_000 }],
    },
  ],
  conditions: [],
};

test("a service is shown with all that is known of it, and without its secrets", () => {
  const json = toJson(ServiceSchema, fromService(view));
  expect(json).toMatchObject({
    name: "web",
    overrides: { instances: 0, stoppedInstances: [1] },
    status: {
      desired: "DESIRED_RUNNING",
      state: "STATE_BACKOFF",
      instances: [
        {
          name: "default/web#0",
          state: "STATE_BACKOFF",
          run: { id: "r1", instance: "default/web#0", pid: 42, adopted: true, generation: "2" },
          lastExit: { cause: "CAUSE_SIGNALLED", signal: "SIGSEGV", endTime: "2023-11-14T22:13:20.500Z", uptime: "1.500s", lastLines: ["oh"] },
          restarts: "4",
          stateReason: "said why",
          stateTime: "2023-11-14T22:13:21Z",
          nextStartTime: "2023-11-14T22:13:22Z",
          conditions: [{ type: "TYPE_CRASH_LOOP", message: "5 ends" }],
        },
      ],
    },
    generation: "3",
    createTime: "2023-11-14T22:13:20Z",
    updateTime: "2023-11-14T22:13:21Z",
    source: "/etc/pmd/pm.yaml",
  });
  expect(JSON.stringify(json)).not.toContain("secret");
});

test("an exit without a code has none, and one with the code 0 has it", () => {
  expect(fromExit(exit).code).toBeUndefined();
  expect(fromExit({ ...exit, cause: "exited", code: 0 }).code).toBe(0);
});

test("a run of the history carries its end, and names its instance in full", () => {
  const run = { id: "r1", namespace: "prod", service: "web", index: 2, generation: 1, pid: 7, startedAt: 0, end: exit };
  expect(toJson(RunSchema, fromStoredRun(run))).toMatchObject({ instance: "prod/web#2", exit: { cause: "CAUSE_SIGNALLED" } });
});

test("the result of a target carries its error as a problem", () => {
  const target = fromTarget({ name: "default/web", outcome: "failed", error: timedOut("default/web", "starting", 5), state: "starting", pids: [1] });
  expect(target.problem).toMatchObject({ reason: "TIMED_OUT", metadata: { name: "default/web", state: "starting", seconds: "5" } });
});

test("an event keeps its number, its attributes and the exit it tells of", () => {
  const event = fromEvent({
    sequence: 9,
    at: 0,
    type: "run_ended",
    subject: "default/web#0",
    runId: "r1",
    message: "ended",
    attributes: { code: "1" },
    exit,
  });
  expect(toJson(EventSchema, event)).toMatchObject({
    sequence: "9",
    type: "EVENT_TYPE_RUN_ENDED",
    attributes: { code: "1" },
    exit: { uptime: "1.500s" },
  });
});

test("every word of ours has the value of the same name in the proto, and every value has a word", () => {
  const words = (schema: { values: readonly { localName: string }[] }) =>
    schema.values
      .map(({ localName }) => localName.toLowerCase())
      .filter((name) => name !== "unspecified")
      .sort();
  const conditions: ConditionType[] = ["crash_loop", "oom_killed", "config_stale", "adopted", "survivors", "shim_lost", "file_invalid"];
  expect(words(StateSchema)).toEqual([...stateWords].sort());
  expect(words(ExitRecord_CauseSchema)).toEqual([...exitCauses].sort());
  expect(words(EventTypeSchema)).toEqual([...eventTypes].sort());
  expect(words(Condition_TypeSchema)).toEqual(conditions.sort());
  for (const cause of exitCauses) {
    expect(ExitRecord_CauseSchema.value[fromExit({ ...exit, cause }).cause]?.localName.toLowerCase()).toBe(cause);
  }
  for (const value of EventTypeSchema.values.slice(1)) expect(toEventTypes([value.number as EventType])).toEqual([value.localName.toLowerCase()]);
  for (const value of StateSchema.values.slice(1)) expect(toStateWords([value.number as State])).toEqual([value.localName.toLowerCase()]);
});

test("a state that says nothing is refused: a selector without states selects more", () => {
  expect(() => toStateWords([4, 0])).toThrow("selector.states[1]");
  expect(() => toEventTypes([0])).toThrow("filter.types[0]");
});

test("a list has the newest result of a check, and one service more of them", () => {
  const [listed] = fromService(view).status?.instances ?? [];
  const [alone] = fromService(view, "masked", 5).status?.instances ?? [];
  expect(listed?.health).toMatchObject({ state: 4, failures: 3, results: [{ ok: false, reason: "status 503", output: "no" }] });
  expect(alone?.health?.results.map(({ ok }) => ok)).toEqual([false, true]);
  expect(listed?.liveness).toBeUndefined();
});
