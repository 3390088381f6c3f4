import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import { gzipSync } from "node:zlib";
import { create } from "@bufbuild/protobuf";
import { Code, type ConnectError } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { FollowEventsResponseSchema, ListEventsResponseSchema } from "../../gen/pm/v1/event_service_pb.ts";
import { type AccessEntry, logAccess } from "../../src/api/access-log.ts";
import { translateErrors } from "../../src/api/connect-error.ts";
import { defaultLimits } from "../../src/api/limits.ts";
import { createEventClient, createSupervisorClient, startApiServer, wires } from "../support/api-server.ts";
import { eventually } from "../support/eventually.ts";
import { callHeaders, errorCodes, flags, frameTypes, headerBlock, RawSession, uint32 } from "../support/http2-frames.ts";

const list = "/pm.v1.EventService/ListEvents";
const follow = "/pm.v1.EventService/FollowEvents";

const events = { listEvents: () => create(ListEventsResponseSchema, { cursor: "here" }) };
const ask = (path: string) => createEventClient(path).listEvents({});

const { headers, continuation, settings, ping, windowUpdate, data, rstStream } = frameTypes;
const { endHeaders, endStream } = flags;

describe("a session of HTTP/2", () => {
  test("whose client does not say its settings is closed when its time is over", async () => {
    await using server = await startApiServer({ limits: { prefaceTimeoutMs: 50 } });
    using session = new RawSession(server.path);
    session.listen();
    await session.closed;
  });

  test("whose client sends the headers of a call a bit at a time is closed when its time is over", async () => {
    await using server = await startApiServer({ limits: { idleTimeoutMs: 200 } });
    using session = new RawSession(server.path);
    session.say({ type: settings });
    // One frame that never ends: each byte of it is a sign of life, and none of them a call.
    session.socket.write(Buffer.from([0, 0x3f, 0xff, headers, endHeaders, 0, 0, 0, 1]));
    session.listen();
    await trickle(session, Buffer.from([0]));
  });

  test("that has no call is closed when its time is over, though it pings", async () => {
    await using server = await startApiServer({ limits: { idleTimeoutMs: 200 } });
    using session = new RawSession(server.path);
    session.say({ type: settings });
    session.listen();
    await trickle(session, Buffer.from([0, 0, 8, ping, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]));
  });

  test("is counted idle from the end of its last call on", async () => {
    await using server = await startApiServer({ events, limits: { idleTimeoutMs: 50 } });
    const session = http2.connect("http://pmd", { createConnection: () => net.connect(server.path) });
    const stream = session.request({ ":method": "POST", ":path": list, "content-type": "application/json" });
    stream.end("{}").resume();
    await once(stream, "close");
    await once(session, "close");
  });

  test("goes on answering for longer than a request may take", async () => {
    const late = Promise.withResolvers<void>();
    await using server = await startApiServer({
      limits: { headersTimeoutMs: 1000, requestTimeoutMs: 1000 },
      events: {
        ...events,
        async *followEvents() {
          yield create(FollowEventsResponseSchema, { cursor: "1" });
          await late.promise;
          yield create(FollowEventsResponseSchema, { cursor: "2" });
        },
      },
    });
    const stream = createEventClient(server.path, "gRPC, HTTP/2").followEvents({})[Symbol.asyncIterator]();
    await stream.next();
    // This one is cut for its slowness meanwhile, and was begun later.
    using slow = await beginCall(server.path, list);
    await eventually(() => slow.errorOf(1) === errorCodes.cancel);
    late.resolve();
    expect((await stream.next()).value).toMatchObject({ cursor: "2" });
  });

  test.for([list, follow])("resets a call whose request does not come (%s)", async (path) => {
    await using server = await startApiServer({ limits: { headersTimeoutMs: 50, requestTimeoutMs: 50 } });
    using session = await beginCall(server.path, path);
    session.say({ type: data, stream: 1, payload: Buffer.from([0]) });
    await eventually(() => session.errorOf(1) === errorCodes.cancel);
    expect(server.faults).toEqual([]);
  });

  test("has no more streams than the limit: a client that knows it waits", async () => {
    const more = Promise.withResolvers<void>();
    let open = 0;
    await using server = await startApiServer({
      limits: { streamsPerConnection: 2 },
      events: {
        async *followEvents() {
          open++;
          yield create(FollowEventsResponseSchema, { cursor: "1" });
          await more.promise;
        },
      },
    });
    const session = http2.connect("http://pmd", { createConnection: () => net.connect(server.path) });
    await once(session, "remoteSettings");
    const streams = Array.from({ length: 3 }, () => {
      const stream = session.request({ ":method": "POST", ":path": follow, "content-type": "application/connect+json" });
      return stream.end(Buffer.from([0, 0, 0, 0, 2, 0x7b, 0x7d]));
    });
    await Promise.all(streams.slice(0, 2).map((stream) => once(stream, "data")));
    expect(open).toBe(2);
    more.resolve();
    for (const stream of streams) stream.resume();
    await Promise.all(streams.map((stream) => once(stream, "close")));
    expect(open).toBe(3);
    session.destroy();
  });

  test("is closed when its client goes over the limit of streams that it has agreed to", async () => {
    await using server = await startApiServer({ events, limits: { streamsPerConnection: 2 } });
    using session = new RawSession(server.path);
    session.listen();
    session.say({ type: settings });
    await agree(session);
    for (const stream of [1, 3, 5]) session.say({ type: headers, flags: endHeaders, stream, payload: callHeaders(list) });
    await session.closed;
    expect(session.errorOf(0)).toBe(errorCodes.protocol);
  });

  test("refuses streams when it holds more memory than the limit", async () => {
    await using server = await startApiServer({ limits: { connectionMemoryMib: 1, streamsPerConnection: 20_000 } });
    using session = new RawSession(server.path);
    session.listen();
    session.say({ type: settings });
    const payload = callHeaders(list);
    for (let stream = 1; stream < 20_000; stream += 2) session.say({ type: headers, flags: endHeaders, stream, payload });
    await eventually(() => session.heard(rstStream).some(({ payload }) => payload.readUInt32BE() === errorCodes.enhanceYourCalm));
  });

  test.for([
    ["more headers than the limit", Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`x-${index}`, "v"]))],
    ["headers of more bytes than the limit", Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`x-${index}`, "v".repeat(120)]))],
  ] as const)("refuses a call with %s", async ([, more]) => {
    await using server = await startApiServer({ events, limits: { headerBytes: 3000 } });
    using session = new RawSession(server.path);
    session.listen();
    session.say({ type: settings });
    await agree(session);
    session.say({ type: headers, flags: endHeaders | endStream, stream: 1, payload: callHeaders(list, more) });
    await eventually(() => session.errorOf(1) === errorCodes.enhanceYourCalm);
    expect(await ask(server.path)).toMatchObject({ cursor: "here" });
  });
});

describe("a session of HTTP/2 is closed when its client", () => {
  const call = { type: headers, flags: endHeaders, stream: 1, payload: callHeaders(list) };

  test.for([
    ["goes on with headers that never end", { type: continuation, stream: 1, payload: headerBlock({ "x-more": "v" }) }, 10_000],
    ["sends frames that are not valid", { type: windowUpdate, stream: 1, payload: uint32(0) }, 10_000],
    ["opens its window further than there are bytes", { type: windowUpdate, payload: uint32(0x7fffffff) }, 10_000],
  ] as const)("%s", async ([, flood, most]) => {
    await using server = await startApiServer({ events });
    using session = new RawSession(server.path);
    session.say({ type: settings }, { ...call, ...(flood.type === continuation && { flags: 0 }) });
    session.listen();
    expect(await session.flood(flood, most)).toBeLessThan(most);
    await session.closed;
    expect(await ask(server.path)).toMatchObject({ cursor: "here" });
    expect(server.faults).toEqual([]);
  });

  // It is not listened to while it does not take the answers, and so has no call.
  test.for([
    ["pings", { type: ping, payload: Buffer.alloc(8) }],
    ["changes its settings", { type: settings }],
  ] as const)("%s without end, and does not take the answers", async ([, flood]) => {
    await using server = await startApiServer({ events, limits: { idleTimeoutMs: 500 } });
    using session = new RawSession(server.path);
    session.say({ type: settings });
    expect(await session.flood(flood, 10_000_000)).toBeLessThan(10_000_000);
    await session.closed;
    expect(await ask(server.path)).toMatchObject({ cursor: "here" });
  });

  test("resets its calls as fast as it makes them", async () => {
    let called = 0;
    await using server = await startApiServer({ events: { listEvents: () => create(ListEventsResponseSchema, { cursor: String(++called) }) } });
    using session = new RawSession(server.path);
    session.listen();
    session.say({ type: settings });
    for (let stream = 1; stream < 20_000 && !session.socket.destroyed; stream += 2) {
      session.say({ ...call, stream }, { type: rstStream, stream, payload: uint32(errorCodes.cancel) });
      if (stream % 100 === 1) await new Promise(setImmediate);
    }
    await session.closed;
    expect(called).toBe(0);
    expect(await ask(server.path)).toMatchObject({ cursor: "1" });
  });
});

test("pmd answers others while a client pings without end", async () => {
  await using server = await startApiServer({ events });
  using session = new RawSession(server.path);
  session.listen();
  session.say({ type: settings });
  const flood = session.flood({ type: ping, payload: Buffer.alloc(8) }, 10_000_000);
  for (let call = 0; call < 20; call++) expect(await ask(server.path)).toMatchObject({ cursor: "here" });
  session.socket.destroy();
  expect(await flood).toBeLessThan(10_000_000);
});

test("a client that goes in the middle of its request is no fault of pmd", async () => {
  const over = Promise.withResolvers<AccessEntry>();
  await using server = await startApiServer({ interceptors: [logAccess(over.resolve), translateErrors((error) => void faults.push(error))] });
  const faults: unknown[] = [];
  using session = await beginCall(server.path, follow);
  session.say({ type: data, stream: 1, payload: Buffer.from([0]) });
  session.say({ type: rstStream, stream: 1, payload: uint32(errorCodes.cancel) });
  expect(await over.promise).toMatchObject({ method: "pm.v1.EventService/FollowEvents", code: "canceled" });
  expect([...faults, ...server.faults]).toEqual([]);
});

describe.for(wires)("%s", (wire) => {
  test("an answer over the limit is an error, and the next call is answered", async () => {
    await using server = await startApiServer({
      limits: { writeMaxBytes: 1000 },
      events: { listEvents: ({ tail }) => create(ListEventsResponseSchema, { cursor: "c".repeat(tail) }) },
    });
    const client = createEventClient(server.path, wire);
    await expect(client.listEvents({ tail: 2000 })).rejects.toMatchObject({ code: Code.ResourceExhausted });
    expect(await client.listEvents({ tail: 1 })).toMatchObject({ cursor: "c" });
  });

  test("a message over the limit ends its stream with an error", async () => {
    await using server = await startApiServer({
      limits: { writeMaxBytes: 1000 },
      events: {
        async *followEvents() {
          yield create(FollowEventsResponseSchema, { cursor: "1" });
          yield create(FollowEventsResponseSchema, { cursor: "c".repeat(2000) });
        },
      },
    });
    const stream = createEventClient(server.path, wire).followEvents({})[Symbol.asyncIterator]();
    expect((await stream.next()).value).toMatchObject({ cursor: "1" });
    await expect(stream.next()).rejects.toMatchObject({ code: Code.ResourceExhausted });
  });

  test("a deadline over the limit is refused", async () => {
    await using server = await startApiServer({ events });
    const client = createEventClient(server.path, wire);
    await expect(client.listEvents({}, { timeoutMs: defaultLimits.deadlineMs + 1000 })).rejects.toMatchObject({ code: Code.InvalidArgument });
    expect(await client.listEvents({}, { timeoutMs: defaultLimits.deadlineMs - 1000 })).toMatchObject({ cursor: "here" });
  });

  test("a read that is not answered ends, though its caller named no deadline and its handler does not listen", async () => {
    await using server = await startApiServer({
      limits: { readDeadlineMs: 50 },
      events: { listEvents: () => new Promise<never>(() => undefined) },
    });
    const error = (await createEventClient(server.path, wire)
      .listEvents({})
      .catch((error) => error)) as ConnectError;
    expect(error).toMatchObject({ code: Code.DeadlineExceeded, rawMessage: "not answered in 0.05 s: ask for less, or name a longer deadline" });
    expect(server.faults).toEqual([]);
  });

  test("a verb, a stream and a read with a deadline of its own take longer than a read may", async () => {
    const over = Promise.withResolvers<void>();
    const afterwards = async () => {
      await over.promise;
      return {};
    };
    await using server = await startApiServer({
      limits: { readDeadlineMs: 50 },
      events: {
        listEvents: ({ tail }) => (tail === 1 ? new Promise<never>(() => undefined) : afterwards()),
        async *followEvents() {
          yield await afterwards();
        },
      },
      supervisor: { stopServices: afterwards },
    });
    const client = createEventClient(server.path, wire);
    const answers = Promise.all([
      client.listEvents({}, { timeoutMs: 60_000 }),
      client.followEvents({})[Symbol.asyncIterator]().next(),
      createSupervisorClient(server.path, wire).stopServices({ selector: { all: true } }),
    ]);
    // Begun later than all of them.
    await expect(client.listEvents({ tail: 1 })).rejects.toMatchObject({ code: Code.DeadlineExceeded });
    over.resolve();
    await answers;
  });
});

// Compression is refused altogether, so that no small request becomes a large one.
test.for([
  ["application/grpc", "grpc-encoding", true],
  ["application/grpc-web", "grpc-encoding", true],
  ["application/connect+proto", "connect-content-encoding", true],
  ["application/proto", "content-encoding", false],
] as const)("a bomb of gzip is refused unopened (%s)", async ([contentType, encoding, enveloped]) => {
  await using server = await startApiServer({ events });
  const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
  const body = enveloped ? Buffer.concat([Buffer.from([1]), uint32(bomb.length), bomb]) : bomb;
  const session = http2.connect("http://pmd", { createConnection: () => net.connect(server.path) });
  const path = contentType === "application/connect+proto" ? follow : list;
  const stream = session.request({ ":method": "POST", ":path": path, "content-type": contentType, [encoding]: "gzip" });
  let said = "";
  stream.on("response", (header) => {
    said += JSON.stringify(header);
  });
  stream.on("trailers", (trailer) => {
    said += JSON.stringify(trailer);
  });
  stream.on("error", () => undefined); // the rest of the body is not wanted
  stream.setEncoding("latin1").on("data", (text) => {
    said += text;
  });
  stream.end(body);
  await once(stream, "close");
  expect(said).toMatch(/unknown compression|unimplemented|"grpc-status":"?12|grpc-status: 12/);
  session.destroy();
});

async function beginCall(path: string, method: string): Promise<RawSession> {
  const session = new RawSession(path);
  session.listen();
  session.say({ type: settings }, { type: headers, flags: endHeaders, stream: 1, payload: callHeaders(method) });
  await eventually(() => session.heard(settings).length > 0);
  return session;
}

/** The limits that the server tells hold from here on. */
async function agree(session: RawSession): Promise<void> {
  await eventually(() => session.heard(settings).length > 0);
  session.say({ type: settings, flags: flags.ack });
}

/** Says the same again each time the server has come round, until it has closed the connection. */
async function trickle(session: RawSession, bytes: Buffer): Promise<void> {
  await eventually(() => session.socket.destroyed || void session.socket.write(bytes));
}
