import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { EventService, FollowEventsRequestSchema } from "../../gen/pm/v1/event_service_pb.ts";
import { FollowLogsRequestSchema, LogService } from "../../gen/pm/v1/log_service_pb.ts";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { endlessFlood } from "../support/flood.ts";
import { rssMib } from "../support/process-costs.ts";
import { isRunning, shell } from "../support/specs.ts";

it("fifty followers that do not read cost pmd no memory", async () => {
  await using daemon = await startDaemon();
  const client = daemon.client(SupervisorService);
  const logs = { rotate: { size: 10_000_000n, backups: 2 } };
  await client.createService({ name: "flood", spec: shell(daemon, endlessFlood, { process: { logs } }) });
  const restart = { delay: { nanos: 1_000_000 }, maxDelay: { nanos: 1_000_000 } };
  await client.createService({ name: "crash", spec: shell(daemon, "exit 3", { restart }), wait: { level: 1 } });
  await callMany(daemon, 500);
  const before = rssMib(daemon.pid);

  const filter = { selector: { names: ["flood"] } };
  const stalled = await Promise.all(
    Array.from({ length: 50 }, (_, at) =>
      at % 2 === 0
        ? stall(daemon, LogService.method.followLogs, FollowLogsRequestSchema, { filter, tail: 10 })
        : stall(daemon, EventService.method.followEvents, FollowEventsRequestSchema, { tail: 10 }),
    ),
  );
  const events = await newestEvent(daemon);
  await eventually(async () => (await newestEvent(daemon)) > events + 500, { timeoutMs: 120_000 });
  await callMany(daemon, 500);
  expect(rssMib(daemon.pid) - before).toBeLessThan(150);
  for (const session of stalled) session.destroy();
  expect(await isRunning(daemon, "flood")).toBe(true);
});

it("three hundred streams on one connection all hear of a change", async () => {
  await using daemon = await startDaemon();
  const session = connect(daemon);
  const streams = Array.from({ length: 300 }, () => ask(session, EventService.method.followEvents, FollowEventsRequestSchema, {}));
  const heard = streams.map(async (stream) => {
    let said = "";
    for await (const chunk of stream.setEncoding("latin1")) {
      said += chunk;
      if (said.includes("default/heard")) return true;
    }
    return false;
  });
  await Promise.all(streams.map((stream) => once(stream, "ready")));
  await daemon.client(SupervisorService).createService({ name: "heard", spec: shell(daemon, "exec sleep 100000") });
  expect(await Promise.all(heard)).toEqual(heard.map(() => true));
  session.destroy();
});

it("ten thousand calls leave pmd's memory as it was", async () => {
  await using daemon = await startDaemon();
  await daemon.client(SupervisorService).createService({ name: "one", spec: shell(daemon, "exec sleep 100000") });
  await callMany(daemon, 3000);
  const before = rssMib(daemon.pid);
  await callMany(daemon, 10_000);
  expect(rssMib(daemon.pid) - before).toBeLessThan(60);
});

interface Method {
  readonly name: string;
  readonly parent: { readonly typeName: string };
}

function connect(daemon: TestDaemon): http2.ClientHttp2Session {
  const session = http2.connect("http://pmd", { createConnection: () => net.connect(daemon.socket) });
  session.on("error", () => undefined); // the test ends it
  return session;
}

function ask<I extends DescMessage>(session: http2.ClientHttp2Session, { name, parent }: Method, schema: I, request: MessageInitShape<I>) {
  const stream = session.request({ ":method": "POST", ":path": `/${parent.typeName}/${name}`, "content-type": "application/grpc" });
  const message = toBinary(schema, create(schema, request));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return stream.on("error", () => undefined).end(Buffer.concat([head, message]));
}

/** A client that hears the beginning of the answer, and no more. */
async function stall<I extends DescMessage>(daemon: TestDaemon, method: Method, schema: I, request: MessageInitShape<I>) {
  const session = connect(daemon);
  await once(ask(session, method, schema, request), "response");
  return session;
}

async function callMany(daemon: TestDaemon, count: number): Promise<void> {
  const session = connect(daemon);
  const list = SupervisorService.method.listServices;
  let left = count;
  const work = async () => {
    while (left-- > 0) {
      const stream = ask(session, list, list.input, {}).resume();
      await once(stream, "close");
      expect(stream.rstCode).toBe(0);
    }
  };
  await Promise.all(Array.from({ length: 20 }, work));
  session.destroy();
}

async function newestEvent(daemon: TestDaemon): Promise<number> {
  const { events } = await daemon.client(EventService).listEvents({ tail: 1 });
  return Number(events[0]?.sequence ?? 0);
}
