import { create } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { exitColumn, exitSentence } from "../../../cli/exit-words.ts";
import { State } from "../../../gen/pm/v1/common_pb.ts";
import { EventSchema, EventType } from "../../../gen/pm/v1/event_service_pb.ts";
import { LogEntrySchema, LogStream } from "../../../gen/pm/v1/log_service_pb.ts";
import { InstanceUsageSchema } from "../../../gen/pm/v1/metrics_service_pb.ts";
import { ExitRecord_Cause as Cause, ExitRecordSchema, RunSchema } from "../../../gen/pm/v1/process_pb.ts";
import { ConditionSchema, Condition_Type as ConditionType, InstanceSchema } from "../../../gen/pm/v1/service_pb.ts";
import { FakePmd, host } from "./fake-pmd.ts";
import { type Ended, now, type RunOptions, runPmctl } from "./run-pmctl.ts";

const at = (secondsAgo: number) => ({ $typeName: "google.protobuf.Timestamp" as const, seconds: BigInt(now / 1000 - secondsAgo), nanos: 0 });

function look(pmd: FakePmd, argv: string[], options: Partial<RunOptions> = {}): Promise<Ended> {
  return runPmctl(argv, { transport: pmd.transport, screen: "terminal", ...options });
}

function usage(instance: string, cpuPercent: number, memoryMiB: bigint) {
  return create(InstanceUsageSchema, {
    instance: `default/${instance}`,
    usage: { cpuPercent, memoryBytes: memoryMiB << 20n, pids: 3, openFiles: 20, restarts: 1n },
  });
}

describe("status", () => {
  function pmdWithWeb(): FakePmd {
    const pmd = new FakePmd();
    const service = pmd.add("default/web", {
      instances: 2,
      spec: {
        description: "front end",
        labels: { tier: "front" },
        process: { command: { argv: ["node", "server.js"] }, workingDirectory: "/srv/web" },
      },
    });
    const [first] = service.status?.instances ?? [];
    if (first) {
      first.lastExit = create(ExitRecordSchema, { cause: Cause.EXITED, code: 3, endTime: at(240), uptime: { seconds: 90n } });
      first.conditions.push(create(ConditionSchema, { type: ConditionType.CRASH_LOOP, message: "ended 5 times within 5 minutes" }));
      first.stateTime = at(180);
    }
    service.createTime = at(7200);
    pmd.usages.push(usage("web#0", 0.3, 46n), usage("web#1", 0.2, 46n));
    pmd.entries.push(
      create(LogEntrySchema, {
        instance: "default/web#0",
        stream: LogStream.STDOUT,
        time: at(1),
        content: { case: "text", value: "\u001b[2Jhello" },
      }),
    );
    return pmd;
  }

  test("shows all about one service", async () => {
    const { out, exitCode } = await look(pmdWithWeb(), ["status", "web"]);
    expect(exitCode).toBe(0);
    for (const fact of [
      "web - front end\n",
      "State: running, 2 of 2 ready, for 3m\n",
      "Desired: running\n",
      "Usage: 92 MiB, CPU 0.5%\n",
      "Last exit: exited with code 3 after 90 s, 4m ago\n",
      "Conditions: ended 5 times within 5 minutes\n",
      "Command: node server.js\n",
      "Directory: /srv/web\n",
      "Labels: tier=front\n",
      "Logs: /log/default/web#0/out.log\n",
      "Defined: over the API, 2h ago\n",
    ]) {
      expect(out).toContain(fact);
    }
    expect(out).toMatch(/^INSTANCE +STATE +READY +PID +RESTARTS +UPTIME +CPU +MEM +LAST EXIT$/m);
    expect(out).toMatch(/^web#0 +running +yes +4711 +0 +3m +0\.3% +46 MiB +code 3$/m);
    expect(out).toMatch(/ web#0 \| \^\[\[2Jhello\n$/);
  });

  test("what cannot be had is left out", async () => {
    const pmd = pmdWithWeb();
    for (const method of ["getMetrics", "listLogSources", "readLogs"]) pmd.refusals.set(method, new ConnectError("no"));
    const { out, exitCode } = await look(pmd, ["describe", "web"]);
    expect(exitCode).toBe(0);
    expect(out).toContain("Command: node server.js");
    expect(out).not.toMatch(/Usage|Logs|hello/);
  });

  test("of an instance is that of its service, of nothing the list, of a pattern refused, of an unknown name exit 4", async () => {
    const pmd = pmdWithWeb();
    expect((await look(pmd, ["show", "web#1"])).out).toMatch(/^web - front end/);
    expect((await look(pmd, ["status"])).out).toMatch(/^NAME +STATE/);
    expect(await look(pmd, ["status", "w*"])).toMatchObject({ exitCode: 2, err: expect.stringContaining("pmctl ps w*") });
    expect(await look(pmd, ["status", "nope"])).toMatchObject({ exitCode: 4 });
  });

  test("--json is the proto's JSON of the response", async () => {
    expect(JSON.parse((await look(pmdWithWeb(), ["status", "web", "--json"])).out).service).toMatchObject({
      name: "web",
      status: { state: "STATE_RUNNING" },
    });
  });
});

describe("an exit in words", () => {
  test.each([
    [{ cause: Cause.EXITED, code: 0 }, "code 0", "exited with code 0"],
    [{ cause: Cause.SIGNALLED, signal: "SIGKILL" }, "SIGKILL", "killed by SIGKILL"],
    [{ cause: Cause.STOPPED_BY_REQUEST, signal: "SIGTERM" }, "stopped by request", "stopped by request (killed by SIGTERM)"],
    [{ cause: Cause.SPAWN_FAILED, message: "no such file" }, "spawn failed", "spawn failed: no such file"],
    [{ cause: Cause.LOST }, "lost", "lost"],
  ])("%j is %s", (record, column, sentence) => {
    const exit = create(ExitRecordSchema, record);
    expect([exitColumn(exit), exitSentence(exit)]).toEqual([column, sentence]);
  });
});

describe("events", () => {
  function pmdWithEvents(): FakePmd {
    const pmd = new FakePmd();
    pmd.events.push(
      create(EventSchema, { sequence: 1n, time: at(60), type: EventType.DAEMON_STARTED }),
      create(EventSchema, { sequence: 2n, time: at(30), type: EventType.RUN_ENDED, subject: "default/web#0", message: "exited \u0007", exit: {} }),
    );
    return pmd;
  }

  test("are a line each: when, whose, what", async () => {
    const { out } = await look(pmdWithEvents(), ["events"]);
    expect(out).toMatch(/^2026-11-21 \d\d:59:00 {2}pmd {11}daemon started\n2026-11-21 \d\d:59:30 {2}web#0 {9}exited \^G\n$/);
    expect((await look(pmdWithEvents(), ["events"], { screen: "file" })).out).toMatch(/^2026-11-21T\d\d:59:00\.000(Z|[+-])/);
  });

  test("are filtered by name, type and time; without a name come those of pmd, too", async () => {
    const pmd = pmdWithEvents();
    await look(pmd, ["events"]);
    expect(pmd.asked<{ filter: object }>("listEvents").filter).not.toHaveProperty("selector");
    await look(pmd, ["events", "web", "--type", "run-ended,crash-loop", "--since", "1h"]);
    expect(pmd.asked("listEvents")).toMatchObject({
      tail: 0,
      filter: { selector: { names: ["web"] }, types: [EventType.RUN_ENDED, EventType.CRASH_LOOP], since: { seconds: BigInt(now / 1000 - 3600) } },
    });
    expect(await look(pmd, ["events", "--type", "explosion"])).toMatchObject({ exitCode: 2, err: expect.stringContaining("run-ended") });
  });

  test("-f goes on, says what was lost, and ends with Ctrl-C", async () => {
    const pmd = pmdWithEvents();
    const stop = new AbortController();
    pmd.eventScript = async function* (cursor) {
      yield { events: [{ subject: "default/web", message: `after ${cursor}` }], cursor: "3", dropped: 2n };
      stop.abort();
      yield {};
    };
    const { out, err, exitCode } = await look(pmd, ["events", "-f"], { session: { signal: stop.signal } });
    expect(out).toMatch(/web +after read\n$/);
    expect({ err, exitCode }).toEqual({ err: "-- 2 events gone before they could be read --\n", exitCode: 130 });
  });

  test("-o jsonl is one event of the proto a line", async () => {
    const { out } = await look(pmdWithEvents(), ["events", "-o", "jsonl"]);
    expect(
      out
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line).type),
    ).toEqual(["EVENT_TYPE_DAEMON_STARTED", "EVENT_TYPE_RUN_ENDED"]);
  });
});

describe("top", () => {
  function pmdWithLoad(): FakePmd {
    const pmd = new FakePmd();
    const service = pmd.add("default/web", { instances: 2 });
    service.status?.instances.push(create(InstanceSchema, { name: "default/api#0", state: State.RUNNING, run: create(RunSchema, { pid: 99 }) }));
    pmd.usages.push(usage("api#0", 1, 300n), usage("web#0", 50, 20n), usage("web#1", 2, 10n));
    return pmd;
  }

  test("--once prints the host and a table by CPU", async () => {
    const { out } = await look(pmdWithLoad(), ["top", "--once"]);
    const [first, , head, ...rows] = out.split("\n");
    expect(first).toBe("CPU 12% of 2 cores  memory 3.0 GiB of 8.0 GiB  load 0.50 0.25 0.13");
    expect(head).toMatch(/^INSTANCE +STATE +PID +CPU +MEM +PROCS +FILES +UPTIME +RESTARTS$/);
    expect(rows[0]).toMatch(/^web#0 +running +4711 +50% +20 MiB +3 +20 +- +1$/);
    expect(rows.map((row) => row.split(" ")[0])).toEqual(["web#0", "web#1", "api#0", ""]);
  });

  test("off a terminal it prints once, and as JSON lines it goes on", async () => {
    const pmd = pmdWithLoad();
    expect((await look(pmd, ["top"], { screen: "file" })).out).toContain("INSTANCE");
    pmd.metricsScript = async function* () {
      yield { host };
      yield { host };
    };
    expect((await look(pmd, ["top", "-o", "jsonl"])).out.match(/"cores":2/g)?.length).toBe(2);
  });

  test("on a terminal it takes the screen, sorts as keys say, and gives the screen back at q", async () => {
    const pmd = pmdWithLoad();
    let press: (key: string) => void = () => {};
    let released = false;
    const onKey = (call: (key: string) => void) => {
      press = call;
      return () => {
        released = true;
      };
    };
    pmd.metricsScript = async function* () {
      yield { host, instances: pmd.usages };
      press("m");
      press("q");
      yield {};
    };
    pmd.watchScript = async function* () {
      await new Promise(() => {});
      yield {};
    };
    const { out, exitCode } = await look(pmd, ["top"], { session: { onKey } });
    expect(exitCode).toBe(0);
    expect(released).toBe(true);
    expect(out.startsWith("\u001b[?1049h\u001b[?25l\u001b[H")).toBe(true);
    expect(out.endsWith("\u001b[?25h\u001b[?1049l")).toBe(true);
    const frames = out
      .split("\u001b[H")
      .slice(1)
      .map((frame) => /\n(web#0|api#0)/.exec(frame)?.[1]);
    expect(frames[0]).toBe("web#0");
    expect(frames[1]).toBe("api#0");
  });

  test("an error gives the screen back, too", async () => {
    const pmd = pmdWithLoad();
    pmd.metricsScript = async function* () {
      yield { host };
      throw new ConnectError("broken");
    };
    const { out, exitCode } = await look(pmd, ["top"]);
    expect(exitCode).toBe(1);
    expect(out.endsWith("\u001b[?25h\u001b[?1049l")).toBe(true);
  });
});
