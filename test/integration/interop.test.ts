import { create } from "@bufbuild/protobuf";
import { Code, type ConnectError, type HandlerContext } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { BadRequestSchema, ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { ProblemSchema } from "../../gen/pm/v1/common_pb.ts";
import { EventService, FollowEventsResponseSchema, ListEventsResponseSchema } from "../../gen/pm/v1/event_service_pb.ts";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { exitedEarly } from "../../src/errors.ts";
import { createEventClient, createSupervisorClient, startApiServer, wires } from "../support/api-server.ts";
import { createGrpcJsClient, type ServiceError } from "../support/grpc-js-client.ts";
import { runProgram } from "../support/run-program.ts";

const early = exitedEarly("default/web", "exited with 3", ["no such port"]);

const events = {
  listEvents: ({ tail }: { tail: number }) => create(ListEventsResponseSchema, { cursor: String(tail), atEnd: true }),
  async *followEvents({ tail }: { tail: number }) {
    for (let number = 1; number <= tail; number++) yield create(FollowEventsResponseSchema, { cursor: String(number) });
  },
};

const supervisor = {
  getService: () => Promise.reject(early),
  // biome-ignore lint/correctness/useYield: it fails before its first message
  async *watch() {
    throw early;
  },
};

describe.for(wires)("%s", (wire) => {
  test("a unary call and a stream are answered", async () => {
    await using server = await startApiServer({ events });
    const client = createEventClient(server.path, wire);
    expect(await client.listEvents({ tail: 7 })).toMatchObject({ cursor: "7", atEnd: true });
    const cursors = [];
    for await (const { cursor } of client.followEvents({ tail: 3 })) cursors.push(cursor);
    expect(cursors).toEqual(["1", "2", "3"]);
    expect(server.faults).toEqual([]);
  });

  test.for(["unary", "stream"] as const)("the error of a %s call arrives with its reason and the program's last lines", async (kind) => {
    await using server = await startApiServer({ supervisor });
    const client = createSupervisorClient(server.path, wire);
    const error = await failure(kind === "unary" ? client.getService({ name: "web" }) : drain(client.watch({})));
    expect(error).toMatchObject({ code: Code.FailedPrecondition, rawMessage: early.message });
    expect(error.findDetails(ErrorInfoSchema)).toMatchObject([{ domain: "pm.v1", reason: "EXITED_EARLY" }]);
    expect(error.findDetails(ProblemSchema)).toMatchObject([{ lastLines: ["no such port"] }]);
  });

  test.for(["unary", "stream"] as const)("a bad field of a %s request is refused before the handler sees it", async (kind) => {
    await using server = await startApiServer({ events, supervisor });
    const client = createEventClient(server.path, wire);
    const request = { tail: 99_999, cursor: "x".repeat(201) };
    const error = await failure(kind === "unary" ? client.listEvents(request) : drain(client.followEvents(request)));
    expect(error.code).toBe(Code.InvalidArgument);
    expect(error.findDetails(BadRequestSchema)).toMatchObject([{ fieldViolations: [{ field: "cursor" }, { field: "tail" }] }]);
  });

  test("a caller's deadline ends the call on both sides", async () => {
    const ended = Promise.withResolvers<unknown>();
    await using server = await startApiServer({
      events: { listEvents: ({ tail }, context) => (tail === 0 ? {} : untilAborted(context, ended.resolve)) },
    });
    const client = createEventClient(server.path, wire);
    await client.listEvents({}); // what it takes to connect is not to be counted
    expect(await failure(client.listEvents({ tail: 1 }, { timeoutMs: 200 }))).toMatchObject({ code: Code.DeadlineExceeded });
    await ended.promise;
    expect(server.faults).toEqual([]);
  });

  test("a caller that leaves a stream ends its generator", async () => {
    const ended = Promise.withResolvers<void>();
    await using server = await startApiServer({
      events: {
        async *followEvents(_request, { signal }) {
          try {
            yield create(FollowEventsResponseSchema, { cursor: "1" });
            await aborted(signal);
          } finally {
            ended.resolve();
          }
        },
      },
    });
    const leave = new AbortController();
    const stream = createEventClient(server.path, wire).followEvents({}, { signal: leave.signal });
    const left = drain(stream, () => leave.abort());
    await expect(left).rejects.toMatchObject({ code: Code.Canceled });
    await ended.promise;
    expect(server.faults).toEqual([]);
  });

  test("a request over the limit is refused, and the next call is answered", async () => {
    await using server = await startApiServer({ events, limits: { readMaxBytes: 10_000 } });
    const client = createEventClient(server.path, wire);
    const names = Array.from({ length: 900 }, () => "n".repeat(100));
    const error = await failure(client.listEvents({ filter: { selector: { names } } }));
    expect(error.code).toBe(Code.ResourceExhausted);
    expect(await client.listEvents({ tail: 1 })).toMatchObject({ cursor: "1" });
  });
});

describe("grpc-js", () => {
  test("a unary call and a stream are answered", async () => {
    await using server = await startApiServer({ events });
    using client = createGrpcJsClient(server.path);
    expect(await client.unary(EventService.method.listEvents, { tail: 7 })).toMatchObject({ cursor: "7" });
    const cursors = [];
    for await (const { cursor } of client.stream(EventService.method.followEvents, { tail: 3 })) cursors.push(cursor);
    expect(cursors).toEqual(["1", "2", "3"]);
  });

  test.for(["unary", "stream"] as const)("the error of a %s call has a code, words and details", async (kind) => {
    await using server = await startApiServer({ supervisor });
    using client = createGrpcJsClient(server.path);
    const { getService, watch } = SupervisorService.method;
    const error = await failure<ServiceError>(kind === "unary" ? client.unary(getService, { name: "web" }) : drain(client.stream(watch, {})));
    expect(error).toMatchObject({ code: Code.FailedPrecondition, details: early.message });
    expect(String(error.metadata.get("grpc-status-details-bin")[0])).toContain("EXITED_EARLY");
  });

  test("a deadline ends the call on both sides", async () => {
    const ended = Promise.withResolvers<unknown>();
    await using server = await startApiServer({
      events: { listEvents: ({ tail }, context) => (tail === 0 ? {} : untilAborted(context, ended.resolve)) },
    });
    using client = createGrpcJsClient(server.path);
    await client.unary(EventService.method.listEvents, {});
    const error = await failure<ServiceError>(client.unary(EventService.method.listEvents, { tail: 1 }, 200));
    expect(error.code).toBe(Code.DeadlineExceeded);
    await ended.promise;
  });
});

describe("curl", () => {
  const json = ["-H", "content-type: application/json"];

  test.for(["--http1.1", "--http2-prior-knowledge", "--http2"])("asks in JSON with %s", async (version) => {
    await using server = await startApiServer({ events });
    const answer = await curl(server.path, version, ...json, "-d", '{"tail": 7}', "http://pmd/pm.v1.EventService/ListEvents");
    expect(JSON.parse(answer)).toEqual({ cursor: "7", atEnd: true });
  });

  test("reads by GET", async () => {
    await using server = await startApiServer({ events });
    const answer = await curl(
      server.path,
      "-G",
      "-d",
      "encoding=json",
      "--data-urlencode",
      'message={"tail":7}',
      "http://pmd/pm.v1.EventService/ListEvents",
    );
    expect(JSON.parse(answer)).toEqual({ cursor: "7", atEnd: true });
  });

  test("sees the reason and the last lines of an error in JSON", async () => {
    await using server = await startApiServer({ supervisor });
    const answer = JSON.parse(await curl(server.path, ...json, "-d", '{"name":"web"}', "http://pmd/pm.v1.SupervisorService/GetService"));
    expect(answer).toMatchObject({ code: "failed_precondition", message: early.message });
    expect(answer.details).toMatchObject([
      { type: "google.rpc.ErrorInfo", debug: { reason: "EXITED_EARLY", domain: "pm.v1" } },
      { type: "pm.v1.Problem", debug: { lastLines: ["no such port"] } },
    ]);
  });

  test.for([
    ["a field", '{"selector": {"nmaes": ["web"], "all": true}}', '"nmaes"'],
    ["an enum value", '{"selector": {"names": ["*"], "states": ["STATE_RUNING"]}}', "STATE_RUNING"],
  ])("learns that %s does not exist, rather than being half understood", async ([, request, word]) => {
    await using server = await startApiServer({ supervisor });
    const answer = JSON.parse(await curl(server.path, ...json, "-d", request as string, "http://pmd/pm.v1.SupervisorService/StopServices"));
    expect(answer).toMatchObject({ code: "invalid_argument", message: expect.stringContaining(word as string) });
  });

  test("gets nothing compressed, and may send nothing compressed, so that no small request becomes a large one", async () => {
    await using server = await startApiServer({ events: { listEvents: () => create(ListEventsResponseSchema, { cursor: "c".repeat(10_000) }) } });
    const url = "http://pmd/pm.v1.EventService/ListEvents";
    expect(await curl(server.path, ...json, "-H", "accept-encoding: gzip", "-d", "{}", url)).toContain("cccc");
    expect(await curl(server.path, ...json, "-H", "content-encoding: gzip", "-d", "{}", url)).toContain("unimplemented");
  });

  test("learns that a path is no RPC", async () => {
    await using server = await startApiServer();
    expect(await curl(server.path, "-w", "%{http_code}", "http://pmd/hello")).toBe("no RPC has the path /hello\n404");
  });
});

function curl(path: string, ...args: string[]): Promise<string> {
  return runProgram(["curl", "-sS", "--max-time", "20", "--unix-socket", path, ...args]).then(({ stdout, stderr }) => stdout + stderr);
}

async function drain(stream: AsyncIterable<unknown>, atEach = () => {}): Promise<void> {
  for await (const _ of stream) atEach();
}

function failure<Failure = ConnectError>(call: Promise<unknown>): Promise<Failure> {
  return call.then(
    () => Promise.reject(new Error("the call did not fail")),
    (error) => error,
  );
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

async function untilAborted({ signal }: HandlerContext, ended: (reason: unknown) => void) {
  await aborted(signal);
  ended(signal.reason);
  return create(ListEventsResponseSchema);
}
