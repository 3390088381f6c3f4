import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer, type Server } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import type { MessageShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { Server as GrpcServer, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { Health, HealthCheckResponseSchema } from "../../gen/grpc/health/v1/health_pb.ts";
import { defaults, type HttpProbe, type Probe } from "../../src/core/spec.ts";
import type { LogPart } from "../../src/health/log-line-probe.ts";
import { Places } from "../../src/health/places.ts";
import { SystemProber } from "../../src/health/system-prober.ts";
import { newProbeName, runProbe } from "../../src/host/probe-command.ts";
import type { LaunchOrder, LiveRun } from "../../src/supervisor/host.ts";
import type { ProbeAnswer, ProbedRun } from "../../src/supervisor/prober.ts";
import { eventually } from "../support/eventually.ts";
import { definitionOf } from "../support/grpc-js-client.ts";
import { isAlive } from "../support/specs.ts";
import { plainSpec } from "../support/supervised.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const never = new AbortController().signal;
/** Long enough that it never decides, however busy the machine is. */
const patientMs = 20_000;
const soonMs = 200;

/** A run that these probes ask nothing of. */
const run = { live: {}, order: {}, process: {} } as unknown as ProbedRun;

function ask(probe: Probe, { timeoutMs = patientMs, of = run }: { timeoutMs?: number; of?: ProbedRun } = {}): Promise<ProbeAnswer> {
  return new SystemProber(() => Promise.reject(new Error("no log"))).probe(probe, of, timeoutMs, never);
}

function http(port: number, change: Partial<HttpProbe> = {}): HttpProbe {
  return { type: "http", scheme: "http", ...defaults.probe, headers: {}, body: "", tlsSkipVerify: false, port, ...change };
}

/** On a port of its own for as long as the test runs. */
async function listening<S extends Server | ReturnType<typeof createTcpServer>>(server: S): Promise<{ port: number } & AsyncDisposable> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      if ("closeAllConnections" in server) server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe("a probe over HTTP", () => {
  const server = () =>
    createHttpServer((request, response) => {
      const [, code = "200"] = /status=(\d+)/.exec(request.url ?? "") ?? [];
      if (request.url === "/hang") return;
      if (request.url === "/long") {
        response.write("x".repeat(200_000));
        return;
      }
      response.writeHead(Number(code), { location: "/elsewhere" });
      response.end(`${request.method} ${request.headers.host} ${request.headers["x-key"] ?? ""} ${request.headers.connection}\n`);
    });

  it.each([
    ["/?status=200", {}, true, "status 200"],
    ["/?status=204", {}, true, "status 204"],
    ["/?status=302", {}, true, "status 302"],
    ["/?status=404", {}, false, "status 404"],
    ["/?status=503", {}, false, "status 503"],
    ["/?status=503", { statusMin: 500, statusMax: 599 }, true, "status 503"],
    ["/", { body: "GET" }, true, "status 200"],
    ["/", { body: "POST" }, false, 'status 200, and the body does not contain "POST"'],
    ["/", { method: "POST", body: "POST" }, true, "status 200"],
    ["/", { headers: { "X-Key": "sesame" }, body: "sesame" }, true, "status 200"],
    ["/", { headers: { Host: "web.example" }, body: "web.example" }, true, "status 200"],
    ["/", { body: "close" }, true, "status 200"],
    ["/long", { body: "xxx" }, true, "status 200"],
  ] as const)("of %s with %o is %s: %s", async (path, change, ok, reason) => {
    await using web = await listening(server());
    expect(await ask(http(web.port, { path, ...change }))).toMatchObject({ ok, reason });
  });

  it("keeps the beginning of what was said, and no more", async () => {
    await using web = await listening(server());
    expect((await ask(http(web.port, { path: "/?status=500" }))).output).toContain("GET 127.0.0.1");
    expect((await ask(http(web.port, { path: "/long" }))).output).toHaveLength(4096);
  });

  it("says so when nobody listens, when nobody answers, and when the connection is closed", async () => {
    await using web = await listening(server());
    await using rude = await listening(createTcpServer((socket) => socket.on("error", () => undefined).destroy()));
    const { port } = await listening(createTcpServer()).then(async (gone) => {
      await gone[Symbol.asyncDispose]();
      return gone;
    });
    expect(await ask(http(port))).toMatchObject({ ok: false, reason: "connection refused" });
    expect(await ask(http(web.port, { path: "/hang" }), { timeoutMs: soonMs })).toMatchObject({ ok: false, reason: "no answer within 0.2 s" });
    expect(await ask(http(rude.port))).toMatchObject({ ok: false, reason: "connection closed without an answer" });
  });
});

it("a probe over TCP is well as soon as the connection is taken", async () => {
  await using server = await listening(createTcpServer((socket) => socket.on("error", () => undefined)));
  expect(await ask({ type: "tcp", host: "127.0.0.1", port: server.port })).toMatchObject({ ok: true, reason: "connected" });
  expect(await ask({ type: "tcp", host: "127.0.0.1", port: 1 })).toMatchObject({ ok: false, reason: "connection refused" });
});

describe("a probe over gRPC", () => {
  const { check } = Health.method;
  type Call = ServerUnaryCall<MessageShape<typeof check.input>, MessageShape<typeof check.output>>;
  type Answer = sendUnaryData<MessageShape<typeof check.output>>;

  async function grpcServer(): Promise<{ port: number } & Disposable> {
    const server = new GrpcServer();
    server.addService(
      { check: definitionOf(check) },
      {
        check({ request }: Call, answer: Answer) {
          if (request.service === "hang") return;
          if (request.service === "odd") return answer({ code: 2, details: "100%" });
          if (request.service === "unknown") return answer({ code: 5, details: "no such service" });
          answer(null, create(HealthCheckResponseSchema, { status: request.service === "sick" ? 2 : 1 }));
        },
      },
    );
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => (error ? reject(error) : resolve(port)));
    });
    return { port, [Symbol.dispose]: () => server.forceShutdown() };
  }

  it.each([
    ["", true, "SERVING", ""],
    ["x".repeat(300), true, "SERVING", ""],
    ["sick", false, "NOT_SERVING", ""],
    ["unknown", false, "gRPC status 5", "no such service"],
    ["odd", false, "gRPC status 2", "100%"],
  ])("understands what another implementation says of %j", async (service, ok, reason, output) => {
    using server = await grpcServer();
    expect(await ask({ type: "grpc", host: "127.0.0.1", port: server.port, service })).toMatchObject({ ok, reason, output });
  });

  it("says so when nobody listens, when nobody answers, and when it is no gRPC", async () => {
    using server = await grpcServer();
    const grpc = (port: number, service = "") => ({ type: "grpc", host: "127.0.0.1", port, service }) as const;
    expect(await ask(grpc(1))).toMatchObject({ ok: false, reason: "connection refused" });
    expect(await ask(grpc(server.port, "hang"), { timeoutMs: soonMs })).toMatchObject({ ok: false, reason: "no answer within 0.2 s" });
    await using web = await listening(createHttpServer((_, response) => response.end("hello")));
    expect(await ask(grpc(web.port))).toMatchObject({ ok: false });
  });
});

describe("a command that asks", () => {
  const start = (line: string, root: string, signal = never) => {
    const environment = { PATH: process.env.PATH ?? "", PM_PROBE_ID: "probe-test" };
    const command = { argv: ["/bin/sh", "-c", line], directory: root, environment, cgroup: "", name: "probe-test", outputBytes: 10, signal };
    return runProbe(command);
  };

  it("answers with its exit code and the beginning of what it printed", async () => {
    await using dir = makeTempDir();
    expect(await start("echo 123456789012; exit 3", dir.path)).toEqual({ end: "exited", code: 3, signal: "", output: "1234567890" });
    expect(await start("printf no >&2; kill -9 $$", dir.path)).toEqual({ end: "killed", code: 0, signal: "SIGKILL", output: "no" });
    expect(await start("head -c 10000000 /dev/zero | tr '\\0' x", dir.path)).toMatchObject({ end: "exited", output: "xxxxxxxxxx" });
    expect(newProbeName()).not.toBe(newProbeName());
  });

  it.each([
    ["its child", "sleep 1000 & echo $! >pid; wait"],
    ["a child with a session of its own that ignores signals", "setsid sh -c 'trap \"\" TERM HUP INT; echo $$ >pid; sleep 1000; sleep 1000' & wait"],
    ["a child that has forgotten its environment", "env -i sh -c 'echo $$ >pid; exec sleep 1000' & wait"],
  ])("is ended with %s when its time is over", async (_, line) => {
    await using dir = makeTempDir();
    const limit = new AbortController();
    const outcome = start(line, dir.path, limit.signal);
    const pid = await eventually(() => existsSync(join(dir.path, "pid")) && Number(readFileSync(join(dir.path, "pid"), "utf8")));
    limit.abort();
    expect(await outcome).toMatchObject({ end: "aborted" });
    expect(isAlive(pid)).toBe(false);
  });

  it("leaves nothing behind that holds its output, and is not waited for longer than it runs", async () => {
    await using dir = makeTempDir();
    expect(await start("sleep 1000 & echo $! >pid; echo ok", dir.path)).toMatchObject({ end: "exited", code: 0, output: "ok\n" });
    expect(isAlive(Number(readFileSync(join(dir.path, "pid"), "utf8")))).toBe(false);
  });

  it("that cannot be run is no success", async () => {
    const live = { runProbe: () => Promise.reject(new Error("it has no process yet")) } as unknown as LiveRun;
    const probe: Probe = { type: "exec", command: { argv: ["true"], shell: "", args: [] } };
    expect(await ask(probe, { of: { ...run, live, process: plainSpec().process } })).toMatchObject({ ok: false, reason: "it has no process yet" });
    await using dir = makeTempDir();
    writeFileSync(join(dir.path, "file"), "");
    await expect(start("true", join(dir.path, "nowhere"))).rejects.toThrow(/ENOENT/);
  });
});

describe("a probe of the log", () => {
  const order = { runId: "run1" } as LaunchOrder;
  const line = (text: string, more: Partial<LogPart["entries"][number]> = {}) => ({
    stream: "stdout",
    bytes: Buffer.from(text),
    partial: false,
    runId: "run1",
    ...more,
  });

  async function answers(pages: readonly LogPart["entries"][]): Promise<boolean[]> {
    const cursors: (string | undefined)[] = [];
    const prober = new SystemProber(async ({ cursor }) => {
      cursors.push(cursor);
      return { entries: pages[cursors.length - 1] ?? [], cursor: String(cursors.length), atEnd: true };
    });
    const live = { startedAt: 0 } as LiveRun;
    const results: boolean[] = [];
    for (const _ of pages) {
      results.push((await prober.probe({ type: "log_line", contains: "ready" }, { ...run, live, order }, patientMs, never)).ok);
    }
    // Each line is read once.
    expect(cursors).toEqual([undefined, ...pages.slice(1).map((_, at) => String(at + 1))]);
    return results;
  }

  it("finds the line, of its run alone", async () => {
    expect(await answers([[line("begin")], [line("we are ready now")]])).toEqual([false, true]);
    expect(await answers([[line("ready", { runId: "run0" })], [line("no")]])).toEqual([false, false]);
  });

  it("finds a line that was read in pieces, and none that was never written", async () => {
    expect(await answers([[line("we are re", { partial: true })], [line("ady")]])).toEqual([false, true]);
    expect(await answers([[line("we are re", { partial: true })], [line("ady", { stream: "stderr" })]])).toEqual([false, false]);
    expect(await answers([[line("re"), line("ady")]])).toEqual([false]);
  });
});

it("so many may ask at once and no more, first come first served, and who gives up takes no place from others", async () => {
  const places = new Places(2);
  const got: number[] = [];
  const take = (number: number, signal = never) => places.take(signal).then(() => got.push(number));
  const impatient = new AbortController();
  await Promise.all([take(1), take(2)]);
  const waiting = [take(3), take(4, impatient.signal), take(5)];
  await new Promise(setImmediate);
  expect(got).toEqual([1, 2]);
  impatient.abort();
  await waiting[1];
  places.leave();
  places.leave();
  await waiting[0];
  places.leave();
  await waiting[2];
  expect(got).toEqual([1, 2, 4, 3, 5]);
});
