import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Health, HealthCheckResponse_ServingStatus as Serving } from "../../gen/grpc/health/v1/health_pb.ts";
import { TargetResult_Outcome as Outcome } from "../../gen/pm/v1/common_pb.ts";
import { EventService, EventType } from "../../gen/pm/v1/event_service_pb.ts";
import { HealthState } from "../../gen/pm/v1/health_pb.ts";
import { ExitRecord_Cause as Cause } from "../../gen/pm/v1/process_pb.ts";
import type { Instance } from "../../gen/pm/v1/service_pb.ts";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
import { getService, isAlive, named, pidOf, shell } from "../support/specs.ts";

const soon = { nanos: 100_000_000 };

/** A web server whose /health is what the file `health` says; it exits when there is none. */
const webServer = `
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        code = int(open("health").read()) if self.path == "/health" else 200
        self.send_response(code); self.end_headers(); self.wfile.write(b"out of order" if code == 503 else b"fine")
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
`;

async function instanceOf(daemon: TestDaemon, name: string): Promise<Instance> {
  const instance = (await getService(daemon, name)).status?.instances[0];
  if (!instance) throw new Error(`${name} has no instance`);
  return instance;
}

function say(daemon: TestDaemon, name: string, text: string): void {
  writeFileSync(join(daemon.root, name), text);
}

async function webSpec(daemon: TestDaemon) {
  const port = await freePort();
  writeFileSync(join(daemon.root, "web.py"), webServer);
  return { port, spec: (health: object) => shell(daemon, `exec python3 web.py ${port}`, { health: { http: { path: "/health", port }, ...health } }) };
}

describe("a web server", () => {
  it("is not ready until /health answers well, is restarted when it does not any more, and says why", async () => {
    // What would be asked instead, if pmd listened to such variables.
    const proxy = { NODE_USE_ENV_PROXY: "1", HTTP_PROXY: "http://127.0.0.1:1", http_proxy: "http://127.0.0.1:1" };
    await using daemon = await startDaemon({ env: proxy });
    const client = daemon.client(SupervisorService);
    const { spec } = await webSpec(daemon);
    say(daemon, "health", "503");
    let answered = false;
    const created = client.createService({ name: "web", spec: spec({ interval: soon, retries: 2 }) }).finally(() => {
      answered = true;
    });
    const waiting = await eventually(async () => {
      const instance = await instanceOf(daemon, "web");
      return instance.health?.results[0]?.reason === "status 503" && instance;
    });
    expect(waiting).toMatchObject({ ready: false, health: { state: HealthState.STARTING } });
    expect(waiting.health?.results[0]).toMatchObject({ ok: false, output: "out of order" });
    const { status } = await daemon.client(Health).check({ service: "web" });
    expect([status, answered]).toEqual([Serving.NOT_SERVING, false]);

    say(daemon, "health", "200");
    expect((await created).results).toMatchObject([{ outcome: Outcome.DONE }]);
    const first = await instanceOf(daemon, "web");
    expect(first).toMatchObject({ ready: true, health: { state: HealthState.HEALTHY } });
    expect((await daemon.client(Health).check({ service: "web" })).status).toBe(Serving.SERVING);

    say(daemon, "health", "503");
    const ended = await eventually(async () => {
      const instance = await instanceOf(daemon, "web");
      return instance.lastExit && instance;
    });
    say(daemon, "health", "200");
    expect(ended.lastExit).toMatchObject({ cause: Cause.UNHEALTHY, signal: "SIGTERM", message: "status 503: out of order" });
    const second = await eventually(async () => {
      const instance = await instanceOf(daemon, "web");
      return instance.ready && instance;
    });
    expect([second.run?.pid === first.run?.pid, second.restarts]).toEqual([false, 1n]);
    const { events } = await daemon.client(EventService).listEvents({ filter: { types: [EventType.HEALTH_CHANGED] } });
    expect(events.map(({ message }) => message)).toEqual(["web#0 is healthy", "web#0 is unhealthy: status 503: out of order", "web#0 is healthy"]);
  });

  it("survives pmd: the next one asks it afresh, and leaves it alone", async () => {
    await using daemon = await startDaemon();
    const { spec } = await webSpec(daemon);
    say(daemon, "health", "200");
    await daemon.client(SupervisorService).createService({ name: "web", spec: spec({ interval: soon, retries: 1 }) });
    const pid = await pidOf(daemon, "web");
    await daemon.kill9();
    say(daemon, "health", "503");
    await daemon.start();
    const asked = await eventually(async () => {
      const instance = await instanceOf(daemon, "web");
      return (instance.health?.results.length ?? 0) > 1 && instance;
    });
    // One bad answer would be enough to restart it, had it been healthy under this pmd.
    expect(asked).toMatchObject({ ready: false, health: { state: HealthState.STARTING, failures: 0 }, run: { pid } });
    say(daemon, "health", "200");
    const ready = await eventually(async () => {
      const instance = await instanceOf(daemon, "web");
      return instance.ready && instance;
    });
    expect(ready.run?.pid).toBe(pid);
  });

  it("that never becomes healthy fails its start, with what the check was told", async () => {
    await using daemon = await startDaemon();
    const { spec } = await webSpec(daemon);
    say(daemon, "health", "503");
    const client = daemon.client(SupervisorService);
    await client.createService({ name: "web", spec: spec({ interval: soon }), wait: { level: 1 } });
    await eventually(async () => (await instanceOf(daemon, "web")).health?.results[0]?.reason === "status 503");
    const { code, stderr } = await daemon.pmctl(["start", "web", "--timeout", "1s"]);
    expect(code).toBe(6);
    expect(stderr).toMatch(/web#0 is running and not ready after 1 s: status 503: out of order/);
    await client.updateService({ name: "web", spec: { ...spec({ interval: soon, startPeriod: {}, retries: 2 }), restart: { policy: 3 } } });
    await eventually(async () => (await instanceOf(daemon, "web")).lastExit?.cause === Cause.UNHEALTHY);
    const { results } = await client.startServices({ selector: named("web") });
    expect(results[0]?.problem).toMatchObject({
      reason: "EXITED_EARLY",
      message: expect.stringMatching(/was unhealthy: (status 503: out of order|connection refused)/),
    });
  });
});

describe.each(["auto", "off"])("with cgroups %s, a command that asks", (cgroups) => {
  it("runs as a process of the service, and is ended with all that it has started when it hangs; others are asked meanwhile", async () => {
    await using daemon = await startDaemon({ args: ["--cgroups", cgroups] });
    const client = daemon.client(SupervisorService);
    const hanging = `echo $$ >>asked; [ -e hang ] || exit 0; setsid sh -c 'trap "" TERM HUP; echo $$ >>hung; sleep 1006; sleep 1006' & echo partly; wait`;
    const exec = (line: string) => ({ exec: { command: { shell: line } }, interval: soon });
    await client.createService({
      name: "hung",
      spec: shell(daemon, "exec sleep 1000", { health: { ...exec(hanging), timeout: { nanos: 300_000_000 } }, onUnhealthy: { action: 2 } }),
    });
    const proof = 'echo "$WHO $NAME $PM_INSTANCE $PM_PID $PWD" >>other; kill -0 $PM_PID';
    await client.createService({
      name: "other",
      spec: shell(daemon, "exec sleep 1000", { health: exec(proof), process: { environment: { vars: { ...daemon.mark, WHO: "me" } } } }),
    });
    expect(lines(daemon, "other")[0]).toBe(`me other 0 ${await pidOf(daemon, "other")} ${daemon.root}`);

    const asked = lines(daemon, "other").length;
    say(daemon, "hang", "");
    const unhealthy = await eventually(async () => {
      const instance = await instanceOf(daemon, "hung");
      return instance.health?.state === HealthState.UNHEALTHY && instance;
    });
    expect(unhealthy.health?.results[0]).toMatchObject({ ok: false, reason: "no answer within 0.3 s", output: "partly\n" });
    expect(isAlive(unhealthy.run?.pid ?? 0)).toBe(true);
    const hung = lines(daemon, "hung").map(Number);
    expect(hung.slice(0, 3).filter(isAlive)).toEqual([]);
    // Of three that hung none held up the other service.
    expect(lines(daemon, "other").length - asked).toBeGreaterThanOrEqual(3);

    await client.stopServices({ selector: named("hung") });
    expect(lines(daemon, "hung").map(Number).filter(isAlive)).toEqual([]);
  });

  it("and hangs while pmd is killed, is ended by the next one, and the service is not", async () => {
    await using daemon = await startDaemon({ args: ["--cgroups", cgroups] });
    const line = "echo $$ >>asked; exec sleep 1007";
    const health = { exec: { command: { shell: line } }, timeout: { seconds: 600n } };
    await daemon.client(SupervisorService).createService({ name: "web", spec: shell(daemon, "exec sleep 1000", { health }), wait: { level: 2 } });
    const probe = Number((await eventually(() => lines(daemon, "asked").length > 0 && lines(daemon, "asked")))[0]);
    const pid = await pidOf(daemon, "web");
    await daemon.kill9();
    expect(isAlive(probe)).toBe(true);
    await daemon.start();
    await eventually(() => !isAlive(probe));
    expect(await pidOf(daemon, "web")).toBe(pid);
    expect(isAlive(pid)).toBe(true);
  });
});

it("a service that says in its log that it is up is ready then, and the next pmd knows it", async () => {
  await using daemon = await startDaemon();
  const client = daemon.client(SupervisorService);
  const line = "echo starting; until [ -e go ]; do sleep 0.05; done; echo 'we are listening on 80' >&2; exec sleep 1000";
  const spec = shell(daemon, line, { health: { logLine: { contains: "listening on" } } });
  await client.createService({ name: "web", spec, wait: { level: 2 } });
  await eventually(async () => ((await instanceOf(daemon, "web")).health?.results.length ?? 0) > 0);
  expect((await instanceOf(daemon, "web")).ready).toBe(false);
  say(daemon, "go", "");
  await eventually(async () => (await instanceOf(daemon, "web")).ready);
  await daemon.kill9();
  await daemon.start();
  await eventually(async () => (await instanceOf(daemon, "web")).ready);
});

it("a service that uses too much memory is restarted for that", async () => {
  await using daemon = await startDaemon();
  const line = `[ -e once ] && exec sleep 1000; : >once; exec python3 -c 'import time; hoard = b"x" * 100_000_000; time.sleep(1000)'`;
  await daemon.client(SupervisorService).createService({ name: "hoarder", spec: shell(daemon, line, { restartAbove: 64n * 1024n * 1024n }) });
  const instance = await eventually(async () => {
    const instance = await instanceOf(daemon, "hoarder");
    return instance.lastExit && instance;
  });
  expect(instance.lastExit).toMatchObject({ cause: Cause.MEMORY_LIMIT, message: expect.stringContaining("restart_above is 64.0 MiB") });
  expect((await daemon.pmctl(["status", "hoarder"])).stdout).toContain("memory limit");
});

function lines(daemon: TestDaemon, file: string): string[] {
  const path = join(daemon.root, file);
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").filter(Boolean) : [];
}
