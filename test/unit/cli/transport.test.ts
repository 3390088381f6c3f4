import { mkdtempSync, rmSync } from "node:fs";
import http, { type Server } from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { Code, ConnectError, type ConnectRouter, createClient } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemErrorOf } from "../../../cli/connection-loss.ts";
import { createSocketTransport } from "../../../cli/transport.ts";
import { ProblemSchema } from "../../../gen/pm/v1/common_pb.ts";
import { SupervisorService } from "../../../gen/pm/v1/supervisor_service_pb.ts";
import { pmError } from "./fake-pmd.ts";

let directory = "";
const servers: (Server | net.Server)[] = [];

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), "pmctl-"));
});

afterEach(async () => {
  for (const server of servers.splice(0)) {
    if ("closeAllConnections" in server) server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  rmSync(directory, { recursive: true });
});

const socketPath = () => path.join(directory, "pmd.sock");
const client = () => createClient(SupervisorService, createSocketTransport(socketPath()));

function listen(server: Server | net.Server): Promise<void> {
  servers.push(server);
  return new Promise((resolve) => server.listen(socketPath(), resolve));
}

function serve(routes: (router: ConnectRouter) => void): Promise<void> {
  return listen(http.createServer(connectNodeAdapter({ routes })));
}

async function errorOf(call: Promise<unknown>): Promise<ConnectError> {
  return await call.then(
    () => expect.unreachable("the call succeeded"),
    (error: unknown) => ConnectError.from(error),
  );
}

describe("the transport", () => {
  test("makes a unary call, and many at once", async () => {
    await serve((router) => router.service(SupervisorService, { getService: ({ name }) => ({ service: { name } }) }));
    const names = await Promise.all(["a", "b", "ü"].map(async (name) => (await client().getService({ name })).service?.name));
    expect(names).toEqual(["a", "b", "ü"]);
  });

  test("brings an error with its code, its message and its details", async () => {
    await serve((router) =>
      router.service(SupervisorService, {
        getService: () => {
          throw pmError(Code.NotFound, "NOT_FOUND", "no service is named x", ["last line"]);
        },
      }),
    );
    const error = await errorOf(client().getService({ name: "x" }));
    expect(error).toMatchObject({ code: Code.NotFound, rawMessage: "no service is named x" });
    expect(error.findDetails(ProblemSchema)[0]).toMatchObject({ reason: "NOT_FOUND", lastLines: ["last line"] });
  });

  test("reads a stream, and ends it when its reader leaves", async () => {
    let left = false;
    await serve((router) =>
      router.service(SupervisorService, {
        async *watch(_request, { signal }) {
          signal.addEventListener("abort", () => {
            left = true;
          });
          yield { removed: ["one"] };
          yield { removed: ["two"] };
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
        },
      }),
    );
    const seen: string[] = [];
    const leave = new AbortController();
    const reading = (async () => {
      for await (const { removed } of client().watch({}, { signal: leave.signal })) {
        seen.push(...removed);
        if (seen.length === 2) leave.abort();
      }
    })();
    expect((await errorOf(reading)).code).toBe(Code.Canceled);
    expect(seen).toEqual(["one", "two"]);
    await expect.poll(() => left).toBe(true);
  });

  test("tells a missing socket, a stale one and something that is no socket apart", async () => {
    expect(systemErrorOf(await errorOf(client().listServices({})))).toBe("ENOENT");
    const stale = net.createServer();
    await listen(stale);
    // A killed daemon leaves its socket behind; Node would tidy it up, so it is moved away and back.
    const { renameSync } = await import("node:fs");
    renameSync(socketPath(), `${socketPath()}.kept`);
    await new Promise((resolve) => servers.pop()?.close(resolve));
    renameSync(`${socketPath()}.kept`, socketPath());
    expect(systemErrorOf(await errorOf(client().listServices({})))).toBe("ECONNREFUSED");
  });

  test("gives up when the time is over: a daemon that is stopped accepts and says nothing", async () => {
    await listen(net.createServer((socket) => socket.resume()));
    const error = await errorOf(client().listServices({}, { timeoutMs: 1 }));
    expect(error.code).toBe(Code.DeadlineExceeded);
    expect(systemErrorOf(error)).toBeUndefined();
  });

  test("gives up when the caller does, before the call and during it", async () => {
    const arrived = Promise.withResolvers<void>();
    await listen(net.createServer((socket) => arrived.resolve(void socket.resume())));
    expect((await errorOf(client().listServices({}, { signal: AbortSignal.abort() }))).code).toBe(Code.Canceled);
    const caller = new AbortController();
    const call = errorOf(client().listServices({}, { signal: caller.signal }));
    await arrived.promise;
    caller.abort();
    expect((await call).code).toBe(Code.Canceled);
  });

  test("a daemon that dies before it has answered is a lost connection", async () => {
    await listen(net.createServer((socket) => socket.once("data", () => socket.destroy())));
    expect(systemErrorOf(await errorOf(client().listServices({})))).toBe("ECONNRESET");
  });

  test("and so is one that dies in the middle of its answer", async () => {
    const half = "HTTP/1.1 200 OK\r\ncontent-type: application/proto\r\ncontent-length: 100\r\n\r\nxx";
    await listen(net.createServer((socket) => socket.once("data", () => socket.end(half))));
    expect(systemErrorOf(await errorOf(client().listServices({})))).toBe("ECONNRESET");
  });

  test("something else that listens there is no internal error", async () => {
    await listen(http.createServer((_request, response) => response.writeHead(404).end("<html>")));
    expect(await errorOf(client().listServices({}))).toMatchObject({ rawMessage: "it answered with HTTP status 404" });
  });
});
