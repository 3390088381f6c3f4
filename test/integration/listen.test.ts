import { spawn } from "node:child_process";
import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { Code, type ConnectError } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { FollowEventsResponseSchema, ListEventsResponseSchema } from "../../gen/pm/v1/event_service_pb.ts";
import { type AccessEntry, logAccess } from "../../src/api/access-log.ts";
import { createEventClient, startApiServer, wires } from "../support/api-server.ts";
import { eventually } from "../support/eventually.ts";

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const emptySettings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);

const events = { listEvents: () => create(ListEventsResponseSchema, { cursor: "here" }) };

describe("a connection", () => {
  test("that sends the preface of HTTP/2 byte by byte is understood", async () => {
    await using server = await startApiServer();
    const socket = net.connect(server.path);
    for (const byte of Buffer.concat([preface, emptySettings])) {
      await new Promise((sent) => socket.write(Buffer.from([byte]), sent));
      await new Promise(setImmediate);
    }
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(answer[3]).toBe(4); // its settings
    socket.destroy();
  });

  test("that begins like the preface and goes on otherwise speaks HTTP/1.1", async () => {
    await using server = await startApiServer();
    expect(await converse(server.path, "PRI * HTTP/2.0\r\n\r\nXX")).toMatch(/^HTTP\/1\.1 400/);
  });

  test.for([
    ["nothing", ""],
    ["half a preface", "PRI * HT"],
  ])("that says %s is closed when its time is over", async ([, said]) => {
    await using server = await startApiServer({ limits: { prefaceTimeoutMs: 20 } });
    expect(await converse(server.path, said as string, { end: false })).toBe("");
  });

  test("that sends its headers too slowly is closed", async () => {
    await using server = await startApiServer({ limits: { headersTimeoutMs: 50, requestTimeoutMs: 50 } });
    const said = "POST /pm.v1.EventService/ListEvents HTTP/1.1\r\nhost: pmd\r\nx-slow";
    expect(await converse(server.path, said, { end: false })).toMatch(/^HTTP\/1\.1 408/);
  });

  test("that sends its request too slowly is closed", async () => {
    await using server = await startApiServer({ limits: { headersTimeoutMs: 50, requestTimeoutMs: 50 } });
    const said = "POST /pm.v1.EventService/ListEvents HTTP/1.1\r\nhost: pmd\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    expect(await converse(server.path, said, { end: false })).toMatch(/^HTTP\/1\.1 408/);
  });

  test("that is HTTP/2 and has no streams is closed when its time is over", async () => {
    await using server = await startApiServer({ limits: { idleTimeoutMs: 20 } });
    const session = http2.connect("http://pmd", { createConnection: () => net.connect(server.path) });
    await once(session, "close");
  });

  test("that is HTTP/2 and has a silent stream is kept", async () => {
    const written = Promise.withResolvers<void>();
    await using server = await startApiServer({
      limits: { idleTimeoutMs: 20 },
      events: {
        async *followEvents() {
          yield create(FollowEventsResponseSchema, { cursor: "1" });
          await written.promise;
          yield create(FollowEventsResponseSchema, { cursor: "2" });
        },
      },
    });
    const client = createEventClient(server.path, "gRPC, HTTP/2");
    const stream = client.followEvents({})[Symbol.asyncIterator]();
    expect((await stream.next()).value).toMatchObject({ cursor: "1" });
    // Another connection is idle for the whole time, and is closed after it.
    const idle = http2.connect("http://pmd", { createConnection: () => net.connect(server.path) });
    await once(idle, "close");
    written.resolve();
    expect((await stream.next()).value).toMatchObject({ cursor: "2" });
  });

  test("over the limit is closed, and there is room again when another has gone", async () => {
    await using server = await startApiServer({ events, limits: { connections: 1 } });
    const first = net.connect(server.path);
    await once(first, "connect");
    const second = net.connect(server.path);
    await once(second, "close");
    first.destroy();
    expect(await eventually(() => ask(server.path))).toMatchObject({ cursor: "here" });
  });
});

describe("pmd goes on answering after", () => {
  const manyHeaders = Array.from({ length: 2000 }, (_, index) => `x-${index}: ${index}`).join("\r\n");
  const method = "POST /pm.v1.EventService/ListEvents";

  test.for([
    ["garbage", "\x00\xff\x16\x03\x01garbage\r\n\r\n", /^HTTP\/1\.1 400/],
    ["a TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", /^HTTP\/1\.1 400/],
    ["garbage behind the preface of HTTP/2", `${preface}${"\xff".repeat(100)}`, /./s],
    ["a request without a host", `${method} HTTP/1.0\r\n\r\n`, /^HTTP\/1\.1 400/],
    ["a host that is no part of a URL", `${method} HTTP/1.1\r\nhost: a b [\r\nconnection: close\r\n\r\n`, /^HTTP\/1\.1 400/],
    ["too many headers", `${method} HTTP/1.1\r\nhost: pmd\r\n${manyHeaders}\r\n\r\n`, /^HTTP\/1\.1 431/],
    [
      "a body that is no JSON",
      `${method} HTTP/1.1\r\nhost: pmd\r\ncontent-type: application/json\r\ncontent-length: 1\r\nconnection: close\r\n\r\n{`,
      /^HTTP\/1\.1 400/,
    ],
    ["a body that never comes", `${method} HTTP/1.1\r\nhost: pmd\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{`, /./s],
    [
      "two requests of which the second is cut",
      `${method} HTTP/1.1\r\nhost: pmd\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}POST`,
      /here/,
    ],
  ] as [string, string, RegExp][])("%s", async ([, said, answer]) => {
    await using server = await startApiServer({ events });
    expect(await converse(server.path, Buffer.from(said, "latin1"))).toMatch(answer);
    expect(await ask(server.path)).toMatchObject({ cursor: "here" });
    expect(server.faults).toEqual([]);
  });

  test("a client that resets its streams as fast as it opens them", async () => {
    await using server = await startApiServer({ events });
    const session = http2.connect("http://pmd", { createConnection: () => net.connect(server.path) });
    session.on("error", () => undefined); // the server may lose patience
    const closed = once(session, "close");
    for (let count = 0; count < 5000 && !session.destroyed; count++) {
      const stream = session.request({ ":method": "POST", ":path": "/pm.v1.EventService/ListEvents", "content-type": "application/grpc" });
      stream.on("error", () => undefined);
      stream.close(http2.constants.NGHTTP2_CANCEL);
    }
    session.close();
    await closed;
    expect(await ask(server.path)).toMatchObject({ cursor: "here" });
  });
});

describe("a stream", () => {
  test.for(["--http1.1", "--http2-prior-knowledge"])("ends for its generator when the client is killed (%s)", async (version) => {
    const ended = Promise.withResolvers<void>();
    await using server = await startApiServer({
      events: {
        async *followEvents(_request, { signal }) {
          try {
            yield create(FollowEventsResponseSchema, { cursor: "first" });
            await once(signal, "abort");
          } finally {
            ended.resolve();
          }
        },
      },
    });
    const args = ["-sN", version, "--unix-socket", server.path, "-H", "content-type: application/connect+json", "--data-binary", "@-"];
    const curl = spawn("curl", [...args, "http://pmd/pm.v1.EventService/FollowEvents"], { stdio: ["pipe", "pipe", "inherit"] });
    curl.stdin.end(envelope("{}"));
    await once(curl.stdout, "data");
    curl.kill("SIGKILL");
    await ended.promise;
    expect(server.faults).toEqual([]);
  });

  test.for(["HTTP/1.1", "HTTP/2"])("is not pulled while its reader does not read, and nothing of it is lost (%s)", async (version) => {
    const total = 5000;
    let pulled = 0;
    await using server = await startApiServer({
      events: {
        ...events,
        async *followEvents() {
          for (; pulled < total; pulled++) yield create(FollowEventsResponseSchema, { cursor: "c".repeat(10_000) });
        },
      },
    });
    const { begun, countBytes } = version === "HTTP/2" ? stoppedReaderOverHttp2(server.path) : stoppedReaderOverHttp1(server.path);
    await begun;
    // If it were pulled on and on, it would come to its end while the server answers so many other calls.
    for (let count = 0; count < 300; count++) await ask(server.path);
    expect(pulled).toBeLessThan(500);
    expect(await countBytes()).toBeGreaterThan(total * 10_000);
    expect(pulled).toBe(total);
  });

  test.for(wires)("that is cut while it is written is no fault of its handler (%s)", async (wire) => {
    const ended = Promise.withResolvers<void>();
    await using server = await startApiServer({
      events: {
        async *followEvents() {
          try {
            for (;;) yield create(FollowEventsResponseSchema, { cursor: "c".repeat(100_000) });
          } finally {
            ended.resolve();
          }
        },
      },
    });
    const leave = new AbortController();
    const reading = async () => {
      for await (const _ of createEventClient(server.path, wire).followEvents({}, { signal: leave.signal })) leave.abort();
    };
    await expect(reading()).rejects.toMatchObject({ code: Code.Canceled });
    await ended.promise;
    await server.listener.close(60_000);
    expect(server.faults).toEqual([]);
  });

  test("that its reader leaves is logged as canceled", async () => {
    const over = Promise.withResolvers<AccessEntry>();
    await using server = await startApiServer({
      interceptors: [logAccess(over.resolve)],
      events: {
        async *followEvents() {
          for (;;) yield create(FollowEventsResponseSchema, { cursor: "c".repeat(1000) });
        },
      },
    });
    const leave = new AbortController();
    const reading = async () => {
      for await (const _ of createEventClient(server.path).followEvents({}, { signal: leave.signal })) leave.abort();
    };
    await expect(reading()).rejects.toMatchObject({ code: Code.Canceled });
    expect(await over.promise).toMatchObject({ method: "pm.v1.EventService/FollowEvents", code: "canceled" });
  });

  test("is one of 300 on a connection without being in their way", async () => {
    const all = Promise.withResolvers<void>();
    let open = 0;
    await using server = await startApiServer({
      events: {
        async *followEvents() {
          if (++open === 300) all.resolve();
          await all.promise;
          yield create(FollowEventsResponseSchema, { cursor: "all are here" });
        },
      },
    });
    const client = createEventClient(server.path, "gRPC, HTTP/2");
    const first = Array.from({ length: 300 }, () => client.followEvents({})[Symbol.asyncIterator]().next());
    const cursors = (await Promise.all(first)).map(({ value }) => value.cursor);
    expect(new Set(cursors)).toEqual(new Set(["all are here"]));
  });
});

test("the limits of HTTP/2 are told to the client", async () => {
  await using server = await startApiServer();
  const session = http2.connect("http://pmd", { createConnection: () => net.connect(server.path) });
  const [settings] = (await once(session, "remoteSettings")) as [http2.Settings];
  expect(settings.maxConcurrentStreams).toBe(512);
  session.destroy();
});

test("a call over the limit of calls is answered unavailable", async () => {
  const called = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  await using server = await startApiServer({
    limits: { calls: 1 },
    events: {
      async listEvents() {
        called.resolve();
        await answer.promise;
        return create(ListEventsResponseSchema, { cursor: "here" });
      },
    },
  });
  const first = ask(server.path);
  await called.promise;
  await expect(ask(server.path)).rejects.toMatchObject({ code: Code.Unavailable });
  answer.resolve();
  expect(await first).toMatchObject({ cursor: "here" });
});

describe.for(wires)("closing (%s)", (wire) => {
  const connect = (path: string) => createEventClient(path, wire);

  test("lets unary calls finish", async () => {
    const called = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    await using server = await startApiServer({
      events: {
        async listEvents() {
          called.resolve();
          await answer.promise;
          return create(ListEventsResponseSchema, { cursor: "late" });
        },
      },
    });
    const late = connect(server.path).listEvents({});
    await called.promise;
    const closed = server.listener.close(60_000);
    answer.resolve();
    expect(await late).toMatchObject({ cursor: "late" });
    await closed;
  });

  test("ends streams with unavailable, and their generators", async () => {
    const ended = Promise.withResolvers<void>();
    await using server = await startApiServer({
      events: {
        async *followEvents(_request, { signal }) {
          try {
            yield create(FollowEventsResponseSchema, { cursor: "1" });
            await once(signal, "abort");
          } finally {
            ended.resolve();
          }
        },
      },
    });
    const stream = connect(server.path).followEvents({})[Symbol.asyncIterator]();
    await stream.next();
    const next = stream.next();
    const closed = server.listener.close(60_000);
    const error = (await next.catch((error) => error)) as ConnectError;
    expect(error.code).toBe(Code.Unavailable);
    expect(error.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: "SHUTTING_DOWN" }]);
    await ended.promise;
    await closed;
    expect(server.faults).toEqual([]);
  });

  test("cuts what has not finished when the grace is over", async () => {
    const called = Promise.withResolvers<void>();
    await using server = await startApiServer({
      events: {
        listEvents() {
          called.resolve();
          return new Promise<never>(() => undefined);
        },
      },
    });
    const hanging = connect(server.path).listEvents({});
    const outcome = hanging.catch((error) => error);
    await called.promise;
    await server.listener.close(10);
    expect(await outcome).toBeInstanceOf(Error);
  });

  test("does not wait for connections that are idle", async () => {
    await using server = await startApiServer({ events });
    await connect(server.path).listEvents({});
    await server.listener.close(60_000);
  });
});

// Otherwise a client that was told first that the session ends well, and then lost the socket, may wait for ever.
test("cutting a call over HTTP/2 resets its stream before the socket ends", async () => {
  const called = Promise.withResolvers<void>();
  await using server = await startApiServer({
    events: {
      listEvents({ tail }) {
        if (tail === 0) return create(ListEventsResponseSchema);
        called.resolve();
        return new Promise<never>(() => undefined);
      },
    },
  });
  await using tap = await tapServer(server.path, join(server.directory, "tap"));
  const client = createEventClient(tap.path, "gRPC, HTTP/2");
  await client.listEvents({}); // has nothing more to say by itself, and so cannot fail to
  const outcome = client.listEvents({ tail: 1 }).catch((error) => error);
  await called.promise;
  await server.listener.close(10);
  expect(await outcome).toBeInstanceOf(Error);
  expect(frameTypes(Buffer.concat(tap.answered))).toContain(http2RstStream);
});

const http2RstStream = 3;

function frameTypes(bytes: Buffer): number[] {
  const types = [];
  for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) types.push(bytes[at + 3] as number);
  return types;
}

/** Stands between a client and the server, and keeps what the server says. */
async function tapServer(target: string, path: string) {
  const answered: Buffer[] = [];
  const sockets: net.Socket[] = [];
  const tap = net.createServer((client) => {
    const server = net.connect(target);
    sockets.push(client, server);
    client.on("error", () => server.destroy());
    server.on("error", () => client.destroy());
    server.on("data", (chunk) => answered.push(chunk));
    client.pipe(server).pipe(client);
  });
  await once(tap.listen(path), "listening");
  return {
    path,
    answered,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await once(tap.close(), "close");
    },
  };
}

function ask(path: string) {
  return createEventClient(path).listEvents({});
}

/** Says something and hears what is answered until the other side closes. */
async function converse(path: string, said: string | Buffer, { end = true } = {}): Promise<string> {
  const socket = net.connect(path);
  socket.on("error", () => undefined); // being cut is an answer too
  socket.write(said);
  if (end) socket.end();
  let heard = "";
  socket.setEncoding("latin1").on("data", (chunk) => {
    heard += chunk;
  });
  await once(socket, "close");
  return heard;
}

/** A message of a Connect stream. */
function envelope(json: string): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(Buffer.byteLength(json), 1);
  return Buffer.concat([head, Buffer.from(json)]);
}

const follow = "/pm.v1.EventService/FollowEvents";

function stoppedReaderOverHttp1(path: string) {
  const socket = net.connect(path);
  const body = envelope("{}");
  socket.write(
    `POST ${follow} HTTP/1.1\r\nhost: pmd\r\nconnection: close\r\ncontent-type: application/connect+json\r\ncontent-length: ${body.length}\r\n\r\n`,
  );
  socket.write(body);
  return { begun: once(socket, "readable"), countBytes: () => countBytes(socket) };
}

function stoppedReaderOverHttp2(path: string) {
  const session = http2.connect("http://pmd", { createConnection: () => net.connect(path) });
  const stream = session.request({ ":method": "POST", ":path": follow, "content-type": "application/connect+json" });
  stream.end(envelope("{}"));
  stream.once("close", () => session.close());
  return { begun: once(stream, "response"), countBytes: () => countBytes(stream) };
}

async function countBytes(stream: AsyncIterable<Buffer>): Promise<number> {
  let bytes = 0;
  for await (const chunk of stream) bytes += chunk.length;
  return bytes;
}
