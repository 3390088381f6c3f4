import { readFileSync } from "node:fs";
import { create } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { describe, expect, test } from "vitest";
import { BadRequestSchema, ErrorInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { ProblemSchema } from "../../../gen/pm/v1/common_pb.ts";
import { EventService, FollowEventsResponseSchema } from "../../../gen/pm/v1/event_service_pb.ts";
import { codes, translateErrors } from "../../../src/api/connect-error.ts";
import { exitedEarly, invalidFields, reasons } from "../../../src/errors.ts";

const early = exitedEarly("default/web", "exited with 3", ["no such port", "bye"]);

describe.for(["unary", "stream"] as const)("an error of a %s call", (kind) => {
  test("arrives with its code, reason, values and last lines", async () => {
    const { error } = await call(kind, early);
    expect(error).toMatchObject({ code: Code.FailedPrecondition, rawMessage: "default/web exited with 3 before it was ready" });
    expect(error.findDetails(ErrorInfoSchema)).toMatchObject([
      { domain: "pm.v1", reason: "EXITED_EARLY", metadata: { name: "default/web", exit: "exited with 3" } },
    ]);
    expect(error.findDetails(ProblemSchema)).toMatchObject([{ reason: "EXITED_EARLY", lastLines: ["no such port", "bye"] }]);
  });

  test("lists every violation", async () => {
    const violations = [
      { field: "name", message: "is empty" },
      { field: "spec.process", message: "is required" },
    ];
    const { error } = await call(kind, invalidFields(violations));
    expect(error.code).toBe(Code.InvalidArgument);
    expect(error.findDetails(BadRequestSchema)).toMatchObject([
      {
        fieldViolations: [
          { field: "name", description: "is empty" },
          { field: "spec.process", description: "is required" },
        ],
      },
    ]);
  });

  test("that has no reason is logged with its method and sent without a word of it", async () => {
    const bug = new TypeError("x is not a function");
    const { error, logged } = await call(kind, bug);
    expect(error).toMatchObject({ code: Code.Internal, rawMessage: "internal error", details: [] });
    expect(logged).toEqual([[bug, `pm.v1.EventService/${kind === "unary" ? "ListEvents" : "FollowEvents"}`]]);
  });

  test("that is one of Connect's passes as it is", async () => {
    const { error, logged } = await call(kind, new ConnectError("not here", Code.Unimplemented));
    expect(error).toMatchObject({ code: Code.Unimplemented, rawMessage: "not here" });
    expect(logged).toEqual([]);
  });
});

test("what a stream sent before it failed arrives before the error", async () => {
  const { received } = await call("stream", early);
  expect(received).toEqual(["1"]);
});

test("a handler that stops because its caller left is no fault of ours", async () => {
  const logged: unknown[] = [];
  const { promise: ended, resolve } = Promise.withResolvers<unknown>();
  const leave = new AbortController();
  const transport = createRouterTransport(
    (router) => {
      router.service(EventService, {
        listEvents: (_request, { signal }) => {
          const answer = new Promise<never>((_resolve, reject) => signal.addEventListener("abort", () => reject(abortError())));
          leave.abort();
          return answer;
        },
      });
    },
    {
      router: {
        interceptors: [(next) => (request) => next(request).finally(() => resolve(true)), translateErrors((error) => logged.push(error))],
      },
    },
  );
  await expect(createClient(EventService, transport).listEvents({}, { signal: leave.signal })).rejects.toMatchObject({ code: Code.Canceled });
  await ended;
  expect(logged).toEqual([]);
});

test("every reason has a value in the proto, and the code that the comment there begins with", () => {
  const proto = readFileSync(new URL("../../../proto/pm/v1/error.proto", import.meta.url), "utf8");
  const documented = [...proto.matchAll(/\/\/ ([a-z_]+)[:,].*\n\s+ERROR_REASON_(\w+) =/g)].map(([, code, reason]) => [reason, code]);
  expect(documented).toEqual(Object.entries(codes).map(([reason, code]) => [reason, codeToString(code)]));
  expect(Object.keys(codes)).toEqual([...reasons]);
});

function abortError() {
  return new DOMException("This operation was aborted", "AbortError");
}

async function call(kind: "unary" | "stream", thrown: unknown) {
  const logged: unknown[][] = [];
  const transport = createRouterTransport(
    (router) => {
      router.service(EventService, {
        listEvents: () => Promise.reject(thrown),
        async *followEvents() {
          yield create(FollowEventsResponseSchema, { cursor: "1" });
          throw thrown;
        },
      });
    },
    { router: { interceptors: [translateErrors((...line) => logged.push(line))] } },
  );
  const received: string[] = [];
  const error = await failure(createClient(EventService, transport), kind, received);
  return { error, logged, received };
}

async function failure(client: Client<typeof EventService>, kind: "unary" | "stream", received: string[]): Promise<ConnectError> {
  try {
    if (kind === "unary") await client.listEvents({});
    else for await (const { cursor } of client.followEvents({})) received.push(cursor);
  } catch (error) {
    return error as ConnectError;
  }
  throw new Error("the call did not fail");
}
