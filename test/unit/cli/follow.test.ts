import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { progressLine, withProgress } from "../../../cli/progress.ts";
import { clientOf } from "../../../cli/session.ts";
import { readStream, silenceMs } from "../../../cli/stream.ts";
import { patiently } from "../../../cli/waiting.ts";
import { State } from "../../../gen/pm/v1/common_pb.ts";
import { WatchResponse_Phase as Phase, SupervisorService } from "../../../gen/pm/v1/supervisor_service_pb.ts";
import { FakePmd } from "./fake-pmd.ts";
import { fakeSession } from "./run-pmctl.ts";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

describe("a stream", () => {
  const read = (pmd: FakePmd) => {
    const { session } = fakeSession({ transport: pmd.transport });
    return readStream(session, (call) => clientOf(session, SupervisorService).watch({}, call));
  };

  test("that falls silent is an error, for pmd sends heartbeats", async () => {
    const pmd = new FakePmd();
    pmd.watchScript = async function* () {
      await new Promise(() => {});
      yield {};
    };
    const stream = read(pmd);
    await stream.next();
    await stream.next();
    const silent = stream.next().catch((error: unknown) => ConnectError.from(error).code);
    await vi.advanceTimersByTimeAsync(silenceMs);
    expect(await silent).toBe(Code.DeadlineExceeded);
  });

  test("that its reader leaves is closed, and leaves no timer behind", async () => {
    const { session } = fakeSession({ transport: new FakePmd().transport });
    let signal: AbortSignal | undefined;
    const stream = readStream(session, (call) => {
      signal = call.signal;
      return clientOf(session, SupervisorService).watch({}, call);
    });
    for await (const _ of stream) {
      expect(signal?.aborted).toBe(false);
      break;
    }
    expect(signal?.aborted).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("a long call", () => {
  const forever = new Promise<never>(() => {});

  test("is given up when pmd gives no sign of life", async () => {
    const pmd = new FakePmd();
    pmd.refusals.set("getInfo", new ConnectError("no answer", Code.DeadlineExceeded));
    const { session } = fakeSession({ transport: pmd.transport });
    const call = patiently(session, {}, ({ signal }) => Promise.race([forever, aborted(signal)])).catch(
      (error: unknown) => ConnectError.from(error).code,
    );
    await vi.advanceTimersByTimeAsync(15_000);
    expect(await call).toBe(Code.DeadlineExceeded);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("goes on as long as pmd answers, be it with an error", async () => {
    const pmd = new FakePmd();
    pmd.refusals.set("getInfo", new ConnectError("busy", Code.ResourceExhausted));
    const { session } = fakeSession({ transport: pmd.transport });
    const done = Promise.withResolvers<string>();
    const call = patiently(session, {}, () => done.promise);
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(pmd.requests.filter(({ method }) => method === "getInfo").length).toBe(240);
    done.resolve("done");
    expect(await call).toBe("done");
    expect(vi.getTimerCount()).toBe(0);
  });

  test("has a deadline a little behind the time that the user gave", async () => {
    const { session } = fakeSession({ transport: new FakePmd().transport });
    expect(await patiently(session, { timeout: 5000 }, async ({ timeoutMs }) => timeoutMs)).toBe(15_000);
    expect(await patiently(session, {}, async ({ timeoutMs }) => timeoutMs)).toBeUndefined();
  });
});

describe("progress", () => {
  const task = { doing: "starting", goal: "ready" as const, selector: { names: ["web"] } };

  test("says how many are where they should be, and for how long it has been waited", () => {
    const pmd = new FakePmd();
    const web = pmd.add("default/web", { instances: 2, state: State.STARTING });
    expect(progressLine(task, [], 800)).toBe("starting … 0.8 s");
    expect(progressLine(task, [web], 3200)).toBe("web  starting 0/2 … 3.2 s");
    expect(progressLine({ ...task, goal: "stopped" }, [web, pmd.add("default/api", { state: State.STOPPED })], 1500)).toBe(
      "2 services  starting 1/3 … 1.5 s",
    );
  });

  test("is drawn on one line on a terminal, and wiped at the end", async () => {
    const pmd = new FakePmd();
    const web = pmd.add("default/web", { state: State.STARTING });
    const done = Promise.withResolvers<string>();
    pmd.watchScript = async function* () {
      web.status = { ...web.status, state: State.RUNNING } as NonNullable<typeof web.status>;
      yield { phase: Phase.CHANGES, services: [web] };
      done.resolve("done");
    };
    const { session, screens } = fakeSession({ transport: pmd.transport, screen: "terminal" });
    expect(await withProgress(session, task, () => done.promise)).toBe("done");
    expect(screens.err.text).toContain("\r\u001b[2Kweb  starting 0/1 … 0 ms");
    expect(screens.err.text).toContain("\r\u001b[2Kweb  running 0/1 … 0 ms");
    expect(screens.err.text).not.toContain("\n");
    expect(screens.err.text.endsWith("\r\u001b[2K")).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("is not drawn elsewhere, nor for what is done at once", async () => {
    const { session, screens } = fakeSession({ transport: new FakePmd().transport });
    await withProgress(session, task, async () => {});
    expect(screens.err.text).toBe("");
    const terminal = fakeSession({ transport: new FakePmd().transport, screen: "terminal", session: { pause: (_ms, signal) => endOf(signal) } });
    await withProgress(terminal.session, task, async () => {});
    expect(terminal.screens.err.text).toBe("");
  });

  test("that cannot watch still counts the seconds", async () => {
    const pmd = new FakePmd();
    pmd.refusals.set("watch", new ConnectError("no", Code.Unavailable));
    const { session, screens } = fakeSession({ transport: pmd.transport, screen: "terminal" });
    const done = Promise.withResolvers<void>();
    const work = withProgress(session, task, () => done.promise);
    await vi.advanceTimersByTimeAsync(2000);
    done.resolve();
    await work;
    expect(screens.err.text.match(/starting …/g)?.length).toBe(3);
  });
});

function endOf(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => signal?.addEventListener("abort", () => resolve()));
}

function aborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(new ConnectError("aborted", Code.Canceled))));
}
