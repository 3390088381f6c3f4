import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { LogRotation_Compression as Compression, LogRotation_Interval as Interval, LogSpec_OnFull as OnFull } from "../../../gen/pm/v1/process_pb.ts";
import {
  Dependency_Condition as DependencyCondition,
  RestartPolicy_Mode as Mode,
  Dependency_OnLoss as OnLoss,
  ServiceSpecSchema,
} from "../../../gen/pm/v1/service_pb.ts";
import { maskedValue } from "../../../src/api/convert-command.ts";
import { fromSpec, type SpecContext, toSpec } from "../../../src/api/convert-spec.ts";
import { defaults } from "../../../src/core/spec.ts";
import { PmError } from "../../../src/errors.ts";

type SpecInit = MessageInitShape<typeof ServiceSpecSchema>;

const sleep: SpecInit = { process: { command: { argv: ["sleep", "1"] } } };

const everything: SpecInit = {
  process: {
    command: { shell: "exec sleep $1", args: ["60"] },
    workingDirectory: "/srv",
    environment: {
      vars: { KEY: "secret", EMPTY: "" },
      files: [{ path: ".env", optional: true }],
      inherit: true,
      shared: [{ vars: { ALL: "secret too" }, files: [{ path: "/all.env" }] }],
    },
    stop: { signal: "int", command: { argv: ["bye"] }, grace: { seconds: 1n, nanos: 500_000_000 } },
    logs: {
      stdout: "o.log",
      stderr: "e.log",
      hints: ["log/access.log"],
      rotate: {
        size: 4096n,
        interval: Interval.DAILY,
        backups: 0,
        maxAge: { seconds: 0n },
        compress: Compression.NONE,
        totalSize: 8192n,
      },
      onFull: OnFull.BLOCK,
    },
  },
  instances: 0,
  autostart: false,
  restart: {
    policy: Mode.ON_FAILURE,
    delay: { seconds: 0n },
    maxDelay: { seconds: 2n },
    jitter: 0,
    resetAfter: { seconds: 3n },
    maxRestarts: 0,
    window: { seconds: 4n },
    successExitCodes: [3, 143],
  },
  start: { settle: { seconds: 0n }, timeout: { seconds: 5n } },
  reload: { signal: "1" },
  labels: { tier: "web" },
  description: "what it does",
  dependsOn: {
    db: {},
    cache: { required: false },
    migrate: { condition: DependencyCondition.COMPLETED_OK, onLoss: OnLoss.RESTART, required: true },
  },
  after: ["proxy"],
};

const resolve = (init: SpecInit, context?: SpecContext) => toSpec(create(ServiceSpecSchema, init), context);

describe("a spec on its way in", () => {
  test("has the defaults of the documents where nothing was said", () => {
    expect(resolve(sleep)).toEqual({
      process: {
        command: { argv: ["sleep", "1"], shell: "", args: [] },
        workingDirectory: "",
        environment: { vars: {}, files: [], inherit: false },
        stop: { signal: "SIGTERM", graceMs: 10_000 },
        logs: defaults.logs,
      },
      instances: 1,
      autostart: true,
      restart: defaults.restart,
      start: defaults.start,
      labels: {},
      description: "",
    });
  });

  test("keeps zeros and empty values that were said", () => {
    const spec = resolve(everything);
    expect(spec).toMatchObject({
      instances: 0,
      autostart: false,
      start: { settleMs: 0, timeoutMs: 5000 },
      restart: { mode: "on-failure", delayMs: 0, maxDelayMs: 2000, jitter: 0, resetAfterMs: 3000, maxRestarts: 0, windowMs: 4000 },
      process: { stop: { graceMs: 1500 }, environment: { vars: { EMPTY: "" } } },
    });
  });

  test("depends on what is healthy, cannot do without it, and stops when it is lost, unless told otherwise", () => {
    expect(resolve(everything)).toMatchObject({
      dependsOn: {
        db: { condition: "healthy", onLoss: "stop", required: true },
        cache: { condition: "healthy", onLoss: "ignore", required: false },
        migrate: { condition: "completed_ok", onLoss: "restart", required: true },
      },
      after: ["proxy"],
    });
  });

  test("has all that can be said of logs", () => {
    expect(resolve(everything).process.logs).toEqual({
      stdout: "o.log",
      stderr: "e.log",
      hints: ["log/access.log"],
      rotateBytes: 4096,
      interval: "daily",
      backups: 0,
      maxAgeMs: 0,
      compress: "none",
      totalBytes: 8192,
      onFull: "block",
    });
  });

  test.for([
    ["HUP", "SIGHUP"],
    ["sighup", "SIGHUP"],
    ["1", "SIGHUP"],
    ["SIGIOT", "SIGABRT"],
    ["15", "SIGTERM"],
    ["", "SIGTERM"],
  ])("the signal %j is %s", ([written, canonical]) => {
    expect(resolve({ process: { ...sleep.process, stop: { signal: written } } } as SpecInit).process.stop.signal).toBe(canonical);
  });

  test("says all that is wrong at once, under the field of the request that holds it", () => {
    const violations = violationsOf(() =>
      resolve(
        {
          process: {
            command: { argv: [""] },
            workingDirectory: "here",
            stop: { signal: "SIGNOPE" },
            environment: { vars: { KEY: maskedValue } },
          },
          reload: { signal: "99" },
        },
        { field: 'services["web"]' },
      ),
    );
    expect(violations.map(({ field }) => field)).toEqual([
      'services["web"].process.working_directory',
      'services["web"].process.command.argv[0]',
      'services["web"].process.environment.vars["KEY"]',
      'services["web"].process.stop.signal',
      'services["web"].reload.signal',
    ]);
  });

  test("cannot be changed any more", () => {
    const spec = resolve(everything);
    expect(() => (spec.process.command.args as string[]).push("x")).toThrow(TypeError);
    expect(() => Object.assign(spec.process.environment.vars, { KEY: "x" })).toThrow(TypeError);
  });
});

describe("a spec on its way out", () => {
  test("comes back as the same spec when its values are revealed", () => {
    for (const spec of [resolve(sleep), resolve(everything)]) expect(toSpec(fromSpec(spec, "revealed"))).toEqual(spec);
  });

  test("shows no value of a variable unless that was asked for", () => {
    const spec = resolve(everything);
    const masked = fromSpec(spec, "masked").process?.environment;
    expect(masked?.vars).toEqual({ KEY: maskedValue, EMPTY: maskedValue });
    expect(masked?.shared[0]).toMatchObject({ vars: { ALL: maskedValue }, files: [{ path: "/all.env" }] });
    expect(fromSpec(spec, "revealed").process?.environment?.vars).toEqual({ KEY: "secret", EMPTY: "" });
  });

  test("may be edited masked and sent back: masked values stay, others change", () => {
    const stored = resolve(everything);
    const edited = fromSpec(stored, "masked");
    Object.assign(edited.process?.environment?.vars ?? {}, { EMPTY: "now", NEW: "1" });
    expect(toSpec(edited, { stored }).process.environment.vars).toEqual({ KEY: "secret", EMPTY: "now", NEW: "1" });
  });

  test("a mask cannot stand for a variable that was never there, whatever objects inherit", () => {
    const stored = resolve(everything);
    const vars = { constructor: maskedValue };
    const violations = violationsOf(() => resolve({ process: { ...sleep.process, environment: { vars } } } as SpecInit, { stored }));
    expect(violations.map(({ field }) => field)).toEqual(['spec.process.environment.vars["constructor"]']);
  });
});

function violationsOf(call: () => unknown) {
  try {
    call();
  } catch (error) {
    if (error instanceof PmError && error.reason === "INVALID_FIELD") return error.violations;
    throw error;
  }
  throw new Error("nothing was wrong");
}

describe("health checks", () => {
  const web: SpecInit = {
    ...sleep,
    health: { http: { path: "/health", port: 80, headers: { Authorization: "secret" } }, interval: { seconds: 5n } },
    liveness: { exec: { command: { shell: "true" } }, retries: 1, startPeriod: {} },
    onUnhealthy: { signal: "usr1" },
    restartAbove: 512n * 1024n * 1024n,
  };
  const parse = (spec: SpecInit, context?: SpecContext) => toSpec(create(ServiceSpecSchema, spec), context);

  test("have the defaults of the documents, and settle at once", () => {
    const { health, liveness, onUnhealthy, restartAboveBytes, start } = parse(web);
    expect(health).toMatchObject({ intervalMs: 5000, timeoutMs: 3000, retries: 3, successes: 1, startPeriodMs: 60_000 });
    expect(health?.probe).toMatchObject({ type: "http", scheme: "http", host: "127.0.0.1", method: "GET", statusMin: 200, statusMax: 399, body: "" });
    expect(liveness).toMatchObject({ probe: { type: "exec" }, retries: 1, startPeriodMs: 0 });
    expect([onUnhealthy, restartAboveBytes, start.settleMs]).toEqual([{ signal: "SIGUSR1" }, 536_870_912, 0]);
    expect(parse({ ...web, start: { settle: { seconds: 2n } } }).start.settleMs).toBe(2000);
  });

  test("come back as they went in, whatever the way to ask", () => {
    const probes: NonNullable<SpecInit["health"]>[] = [
      { http: { port: 1, scheme: 2, tlsSkipVerify: true, statusMin: 500, body: "x" } },
      { tcp: { port: 2, host: "::1" } },
      { exec: { command: { argv: ["a", "b"] } } },
      { grpc: { port: 3, service: "s" } },
      { logLine: { contains: "ready" } },
    ];
    for (const health of probes) {
      const spec = parse({ ...web, health });
      expect(toSpec(fromSpec(spec, "revealed"))).toEqual(spec);
    }
  });

  test("do not show the values of their headers, and keep them where an update has the mask", () => {
    const stored = parse(web);
    const shown = fromSpec(stored, "masked");
    expect(shown.health?.http?.headers).toEqual({ Authorization: maskedValue });
    expect(toSpec(shown, { stored })).toEqual(stored);
    expect(() => toSpec(shown)).toThrow(/headers\["Authorization"\]: a masked value keeps the one that is stored/);
  });

  test("that say what cannot be are refused, all at once", () => {
    const bad: SpecInit = {
      ...sleep,
      health: { http: { port: 80, statusMin: 300, statusMax: 200 } },
      liveness: { logLine: { contains: "x" } },
      onUnhealthy: { signal: "SIGNOPE" },
    };
    expect(() => parse(bad)).toThrow(/liveness.log_line: a line.*status_max: 200 is below.*on_unhealthy.signal: "SIGNOPE"/);
  });
});
