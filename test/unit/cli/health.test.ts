import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { checkWords } from "../../../cli/health-words.ts";
import { serviceSpec } from "../../../cli/service-spec.ts";
import { HealthCheckSchema, HealthState, type HealthStatus, HealthStatusSchema, HttpProbe_Scheme as Scheme } from "../../../gen/pm/v1/health_pb.ts";
import { FakePmd } from "./fake-pmd.ts";
import { now, runPmctl } from "./run-pmctl.ts";

const at = (secondsAgo: number) => ({ seconds: BigInt(now / 1000 - secondsAgo), nanos: 0 });

const failing = create(HealthStatusSchema, {
  state: HealthState.UNHEALTHY,
  stateTime: at(60),
  failures: 3,
  results: [
    { time: at(2), duration: { nanos: 12_000_000 }, ok: false, reason: "status 503", output: "out of order\n\u001b[2Jmore" },
    { time: at(12), duration: { nanos: 3_000_000 }, ok: true, reason: "status 200" },
  ],
});
const passing = create(HealthStatusSchema, {
  state: HealthState.HEALTHY,
  stateTime: at(180),
  results: [{ time: at(1), ok: true, reason: "exit code 0" }],
});

function pmdWith({ health, liveness }: { health?: HealthStatus; liveness?: HealthStatus } = {}): FakePmd {
  const pmd = new FakePmd();
  const spec = {
    process: { command: { argv: ["node", "server.js"] } },
    health: { http: { host: "127.0.0.1", port: 80, path: "/health" } },
    ...(liveness && { liveness: { exec: { command: { argv: ["pg_isready", "-q"] } } } }),
  };
  const [instance] = pmd.add("default/web", { spec }).status?.instances ?? [];
  pmd.add("default/worker", { spec: { process: { command: { argv: ["worker"] } } } });
  if (instance) {
    instance.ready = health?.state === HealthState.HEALTHY;
    if (health) instance.health = health;
    if (liveness) instance.liveness = liveness;
  }
  return pmd;
}

const run = (pmd: FakePmd, ...argv: string[]) => runPmctl(argv, { transport: pmd.transport, screen: "terminal" });

describe("health", () => {
  test("has a line for each check of each instance, and none for services without one", async () => {
    const { out, exitCode } = await run(pmdWith({ health: failing, liveness: passing }), "health");
    expect(out).toBe(
      [
        "INSTANCE  CHECK     STATE      READY  FOR  ASKED                     LAST ANSWER",
        "web#0     health    unhealthy  no     1m   http 127.0.0.1:80/health  status 503: out of order",
        "web#0     liveness  healthy    no     3m   exec pg_isready -q        exit code 0",
        "",
      ].join("\n"),
    );
    expect(exitCode).toBe(0);
  });

  test("of one service shows the last answers with what was printed, and no escape sequences of it", async () => {
    const { out, exitCode } = await run(pmdWith({ health: failing }), "health", "web");
    expect(out).toContain("\nweb#0 health, 2s ago: failed in 12 ms, status 503\n  out of order\n  ^[[2Jmore\n");
    expect(out).toContain("\nweb#0 health, 12s ago: passed in 3 ms, status 200\n");
    expect(exitCode).toBe(3);
  });

  test("tells by its exit code whether what was named is ready", async () => {
    expect((await run(pmdWith({ health: passing }), "health", "web")).exitCode).toBe(0);
    expect((await run(pmdWith({ health: passing }), "health", "w*")).exitCode).toBe(0);
    expect((await run(pmdWith({ health: failing }), "health", "w*")).exitCode).toBe(3);
  });

  test("says so of one without a check", async () => {
    expect(await run(pmdWith(), "health", "worker")).toMatchObject({ out: "worker has no health check\n", exitCode: 0 });
  });
});

test("ps and status show health where there is a check", async () => {
  const { out } = await run(pmdWith({ health: failing }), "ps");
  expect(out).toMatch(/^NAME +STATE +READY +HEALTH +PID/);
  expect(out).toMatch(/^web +running +1\/1 +unhealthy /m);
  expect(out).toMatch(/^worker +running +1\/1 +- /m);
  const status = await run(pmdWith({ health: failing }), "status", "web");
  expect(status.out).toContain("Health: unhealthy, status 503: out of order (http 127.0.0.1:80/health)\n");
});

test("a wait that is over says why what runs is not ready", async () => {
  const pmd = pmdWith({ health: failing });
  pmd.watchScript = async function* () {
    yield await new Promise<object>(() => undefined); // nothing changes
  };
  const { err, exitCode } = await run(pmd, "wait", "web", "--timeout", "20ms");
  expect([exitCode, err]).toEqual([6, expect.stringContaining("web is running and not ready (status 503: out of order)")]);
});

test.each([
  [{ http: { host: "::1", port: 443, path: "/x", scheme: Scheme.HTTPS } }, "https ::1:443/x"],
  [{ tcp: { host: "db", port: 5432 } }, "tcp db:5432"],
  [{ exec: { command: { shell: "a | b" } } }, "exec a | b"],
  [{ grpc: { host: "127.0.0.1", port: 9, service: "s" } }, "grpc 127.0.0.1:9 s"],
  [{ logLine: { contains: "up" } }, 'log line "up"'],
] satisfies [MessageInitShape<typeof HealthCheckSchema>, string][])("the check %j is called %s", (check, words) => {
  expect(checkWords(create(HealthCheckSchema, check))).toBe(words);
});

describe("a new service", () => {
  const spec = (options: object) =>
    serviceSpec("web", { type: "shell", line: "x", args: [] }, { autostart: true, ...options }, { cwd: "/", env: {} });

  test("gets its check from a URL or a line, and its ceiling", () => {
    expect(spec({ healthUrl: "http://[::1]:8080/health?x=1" }).health).toEqual({
      http: { scheme: Scheme.HTTP, host: "::1", port: 8080, path: "/health?x=1" },
    });
    expect(spec({ healthUrl: "https://web.example" }).health?.http).toMatchObject({ scheme: Scheme.HTTPS, port: 443, path: "/" });
    expect(spec({ healthCommand: "pg_isready" }).health).toEqual({ exec: { command: { shell: "pg_isready" } } });
    expect(spec({ restartAbove: 1 << 20 }).restartAbove).toBe(1n << 20n);
    expect(spec({}).health).toBeUndefined();
  });

  test("is told what is wrong with it", () => {
    expect(() => spec({ healthUrl: "web" })).toThrow('--health-url: "web" is not like http://127.0.0.1:8080/health');
    expect(() => spec({ healthUrl: "ftp://x/" })).toThrow("is not like");
    expect(() => spec({ healthUrl: "http://x/", healthCommand: "y" })).toThrow("say one of them");
  });
});
