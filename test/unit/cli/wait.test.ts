import { create } from "@bufbuild/protobuf";
import { afterEach, describe, expect, test, vi } from "vitest";
import { State } from "../../../gen/pm/v1/common_pb.ts";
import { ExitRecord_Cause as Cause } from "../../../gen/pm/v1/process_pb.ts";
import { type Service, ServiceSchema } from "../../../gen/pm/v1/service_pb.ts";
import { WatchResponse_Phase as Phase } from "../../../gen/pm/v1/supervisor_service_pb.ts";
import { FakePmd } from "./fake-pmd.ts";
import { runPmctl } from "./run-pmctl.ts";

afterEach(() => {
  vi.useRealTimers();
});

function serviceIn(state: State, { ready = state === State.RUNNING } = {}): Service {
  return create(ServiceSchema, {
    name: "web",
    namespace: "default",
    status: {
      state,
      instancesDesired: 1,
      instances: [{ name: "default/web#0", index: 0, state, ready, lastExit: { cause: Cause.EXITED, code: 3 } }],
    },
  });
}

function pmdWith(first: State, ...then: State[]): FakePmd {
  const pmd = new FakePmd();
  pmd.services.set("default/web", serviceIn(first));
  pmd.watchScript = async function* () {
    for (const state of then) yield { phase: Phase.CHANGES, services: [serviceIn(state)] };
  };
  return pmd;
}

const wait = (pmd: FakePmd, ...argv: string[]) => runPmctl(["wait", "web", ...argv], { transport: pmd.transport });

describe("wait", () => {
  test("ends at once when it is so already", async () => {
    expect(await wait(pmdWith(State.RUNNING))).toMatchObject({ exitCode: 0, out: "", err: "" });
    expect(await wait(pmdWith(State.EXITED), "--for", "stopped")).toMatchObject({ exitCode: 0 });
  });

  test("ends when it becomes so", async () => {
    expect(await wait(pmdWith(State.STARTING, State.STARTING, State.RUNNING))).toMatchObject({ exitCode: 0 });
    expect(await wait(pmdWith(State.RUNNING, State.STOPPING, State.STOPPED), "--for", "stopped")).toMatchObject({ exitCode: 0 });
  });

  test("running is not ready", async () => {
    const pmd = pmdWith(State.STOPPED);
    pmd.services.set("default/web", serviceIn(State.RUNNING, { ready: false }));
    pmd.watchScript = async function* () {
      yield { phase: Phase.CHANGES, services: [serviceIn(State.RUNNING)] };
    };
    expect((await wait(pmd)).exitCode).toBe(0);
  });

  test("one that fails on the way to ready ends the wait, with how", async () => {
    expect(await wait(pmdWith(State.STARTING, State.FAILED))).toMatchObject({ exitCode: 1, err: "error: web has failed: exited with code 3\n" });
  });

  test("one that is deleted has stopped", async () => {
    const pmd = pmdWith(State.RUNNING);
    pmd.watchScript = async function* () {
      yield { phase: Phase.CHANGES, removed: ["default/web"] };
    };
    expect((await wait(pmd, "--for", "stopped")).exitCode).toBe(0);
  });

  test("of nothing is an error, and of an unknown name, too", async () => {
    const pmd = new FakePmd();
    expect((await runPmctl(["wait", "web-*"], { transport: pmd.transport })).exitCode).toBe(4);
    expect((await wait(pmd)).exitCode).toBe(4);
  });

  test("exits with 6 when the time is over, and says what is late", async () => {
    vi.useFakeTimers();
    const pmd = pmdWith(State.STARTING);
    pmd.watchScript = async function* () {
      await vi.advanceTimersByTimeAsync(5000);
      yield { phase: Phase.HEARTBEAT };
    };
    expect(await wait(pmd, "--timeout", "5s")).toMatchObject({ exitCode: 6, err: "error: not ready within 5.0 s: web is starting\n" });
  });

  test("waits for the instances that were named, not for their siblings", async () => {
    const pmd = new FakePmd();
    const service = pmd.add("default/web", { instances: 2 });
    const [, second] = service.status?.instances ?? [];
    if (second) second.ready = false;
    expect((await runPmctl(["wait", "web#0"], { transport: pmd.transport })).exitCode).toBe(0);
    expect((await runPmctl(["wait", "web#1"], { transport: pmd.transport })).exitCode).toBe(5);
  });
});
