import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { TargetResult_Outcome as Outcome, State } from "../../gen/pm/v1/common_pb.ts";
import { ExitRecord_Cause as Cause } from "../../gen/pm/v1/process_pb.ts";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { findProcesses } from "../support/find-processes.ts";
import { getService, isAlive, isRunning, named, pidOf, shell } from "../support/specs.ts";

const grace = { nanos: 200_000_000 };

/** Each line is a service that does not want to end; every process of it carries a mark in its arguments or its environment. */
const stubborn = {
  "ignores TERM": "trap '' TERM; echo $$ >>pids; while :; do sleep 1; done",
  "forks twice, leaves session and group, and ignores TERM":
    "setsid sh -c 'trap \"\" TERM HUP; (sleep 1000 & echo $! >>pids; wait) & echo $! >>pids; wait' & echo $$ >>pids; wait",
  "has children that hold its stdout": "sleep 1001 & echo $! >>pids; sleep 1002 & echo $! >>pids; echo $$ >>pids; wait",
  "stands still": "echo $$ >>pids; kill -STOP $$; sleep 1000",
  "clears the environment of what it leaves behind":
    "env -i setsid sh -c 'trap \"\" TERM; echo $$ >>pids; sleep 1003 >&2 & wait' & echo $$ >>pids; wait",
};

describe.each(["auto", "off"])("with cgroups %s, after a stop nothing is left of a service that", (cgroups) => {
  it.each(Object.entries(stubborn))("%s", async (_, line) => {
    await using daemon = await startDaemon({ args: ["--cgroups", cgroups] });
    const client = daemon.client(SupervisorService);
    await client.createService({ name: "stubborn", spec: shell(daemon, line) });
    const pids = await written(daemon, line.split(">>pids").length - 1);
    const { results } = await client.stopServices({ selector: named("stubborn"), grace });
    expect(results).toMatchObject([{ outcome: Outcome.DONE, state: State.STOPPED }]);
    expect(pids.filter(isAlive)).toEqual([]);
    expect(findProcesses([`${daemon.mark.PM_TEST_MARK}`]).filter(({ command }) => command.includes("sleep 100"))).toEqual([]);
    const { lastExit } = (await getService(daemon, "stubborn")).status?.instances[0] ?? {};
    expect(lastExit?.cause).toBe(Cause.STOPPED_BY_REQUEST);
  });

  it("had its leader killed: its orphans are gone before the replacement starts", async () => {
    await using daemon = await startDaemon({ args: ["--cgroups", cgroups] });
    const client = daemon.client(SupervisorService);
    // Each new leader notes which orphans of the one before it are still there.
    const line =
      'for p in $(cat orphans 2>/dev/null); do kill -0 $p 2>/dev/null && ! grep -q "^State:.Z" /proc/$p/status && echo $p >>seen; done; setsid sleep 1004 & echo $! >>orphans; sleep 1005 & echo $! >>orphans; echo $$ >>pids; wait';
    await client.createService({ name: "leader", spec: shell(daemon, line) });
    for (const lives of [1, 2, 3]) {
      const leader = (await written(daemon, lives)).at(-1) ?? 0;
      process.kill(leader, "SIGKILL");
    }
    const pids = await written(daemon, 4);
    await eventually(() => isRunning(daemon, "leader"));
    expect(new Set(pids).size).toBe(4);
    expect(read(daemon, "seen")).toEqual([]);
    expect(read(daemon, "orphans").filter(isAlive).length).toBe(2);
  });
});

describe("a stop", () => {
  it("by command runs it with the pid of the main process, and then waits for the end", async () => {
    await using daemon = await startDaemon();
    const client = daemon.client(SupervisorService);
    const stop = { command: { shell: 'echo "$PM_PID" >stopped-by; kill -USR1 "$PM_PID"' } };
    const line = "trap 'exit 5' USR1; trap '' TERM; while :; do sleep 0.01; done";
    await client.createService({ name: "polite", spec: shell(daemon, line, { process: { stop } }) });
    const pid = await pidOf(daemon, "polite");
    await client.stopServices({ selector: named("polite") });
    expect(read(daemon, "stopped-by")).toEqual([pid]);
    expect((await getService(daemon, "polite")).status?.instances[0]?.lastExit).toMatchObject({ cause: Cause.STOPPED_BY_REQUEST, code: 5 });
  });

  it("asks what the main process has left behind in other sessions, and so needs no grace period to run out", async () => {
    await using daemon = await startDaemon();
    const client = daemon.client(SupervisorService);
    const line = "setsid sh -c 'trap \"echo 1 >>asked; exit\" TERM; echo $$ >>pids; while :; do sleep 0.01; done' & echo $$ >>pids; wait";
    await client.createService({ name: "web", spec: shell(daemon, line) });
    await written(daemon, 2);
    await client.stopServices({ selector: named("web"), grace: { seconds: 3600n } });
    expect(read(daemon, "asked")).toEqual([1]);
  });

  it("with its own signal sends that signal", async () => {
    await using daemon = await startDaemon();
    const client = daemon.client(SupervisorService);
    await client.createService({ name: "web", spec: shell(daemon, "exec sleep 1000", { process: { stop: { signal: "INT" } } }) });
    await client.stopServices({ selector: named("web") });
    expect((await getService(daemon, "web")).status?.instances[0]?.lastExit?.signal).toBe("SIGINT");
  });

  it("during the start, before the program runs, leaves nothing", async () => {
    await using daemon = await startDaemon();
    const client = daemon.client(SupervisorService);
    for (let round = 0; round < 20; round++) {
      await client.createService({ name: "brief", spec: shell(daemon, "exec sleep 1000"), wait: { level: 1 } });
      await client.deleteServices({ selector: named("brief"), grace });
    }
    expect(findProcesses([daemon.mark.PM_TEST_MARK]).filter(({ command }) => command.includes("sleep"))).toEqual([]);
  });

  it("never signals a process that was given the pid of one that is gone", async () => {
    await using daemon = await startDaemon({ args: ["--cgroups", "off"] });
    const client = daemon.client(SupervisorService);
    await client.createService({ name: "web", spec: shell(daemon, "exec sleep 1000", { restart: { policy: 3 } }) });
    const pid = await pidOf(daemon, "web");
    process.kill(pid, "SIGKILL");
    await eventually(async () => (await getService(daemon, "web")).status?.state === State.FAILED);
    await client.stopServices({ selector: named("web") });
    const { results } = await client.signalServices({ selector: named("web"), signal: "TERM" });
    expect(results[0]?.problem?.reason).toBe("WRONG_STATE");
  });
});

/** The pids that the service has written, when there are as many as there will be. */
async function written(daemon: TestDaemon, count: number): Promise<number[]> {
  return eventually(() => {
    const pids = read(daemon, "pids");
    return pids.length >= count && pids;
  });
}

function read(daemon: TestDaemon, file: string): number[] {
  try {
    return readFileSync(join(daemon.root, file), "utf8").trim().split("\n").filter(Boolean).map(Number);
  } catch {
    return []; // not written yet
  }
}
