import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { Wait_Level as Level, State } from "../../gen/pm/v1/common_pb.ts";
import { CommandSchema, PortSpecSchema, ProcessSpecSchema, StopSpecSchema } from "../../gen/pm/v1/process_pb.ts";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { getService, isRunning, named, pidOf, shell } from "../support/specs.ts";

/** Says its port and number, and listens there. */
const listener = `exec python3 -c '
import os, socket
s = socket.socket(socket.AF_INET6); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("::", int(os.environ["PORT"]))); s.listen()
print(os.environ["PORT"], os.environ["PM_INSTANCE"], os.environ["NODE_APP_INSTANCE"], flush=True)
while True: s.accept()[0].close()
'`;

it("each instance gets the port of its number, keeps it over kill -9 of pmd and a restart, and it is shown", async () => {
  await using daemon = await startDaemon();
  const first = await freePorts(3);
  await createListening(daemon, "web", { first, last: first + 2 }, 3);
  expect(await portsOf(daemon, "web")).toEqual([first, first + 1, first + 2]);
  await daemon.kill9();
  await daemon.start();
  expect(await portsOf(daemon, "web")).toEqual([first, first + 1, first + 2]);
  await daemon.client(SupervisorService).restartServices({ selector: named("web") });
  expect(await portsOf(daemon, "web")).toEqual([first, first + 1, first + 2]);
  const { stdout } = await daemon.pmctl(["ps"]);
  expect(stdout).toMatch(new RegExp(`PORT[^]*${first} ${first + 1} ${first + 2}`));
  await eventually(async () => (await daemon.pmctl(["logs", "web", "--raw"])).stdout.includes(`${first + 2} 2 2\n`));
});

it.each(["0.0.0.0", "127.0.0.1", "::", "::1"])("a port that somebody has at %s is not given away, and who has it is said", async (host) => {
  await using daemon = await startDaemon();
  const first = await freePorts(1);
  await using stranger = await listenAt(host, first);
  expect(await createListening(daemon, "web", { first }, 1)).toEqual([
    `cannot start web#0: port ${first} is in use by node (pid ${process.pid}): end that, or give it another port`,
  ]);
  await stranger[Symbol.asyncDispose]();
  await eventually(async () => (await portsOf(daemon, "web"))[0] === first);
});

it("whoever takes what is free gets the first port that nobody has, and gives it back when it ends", async () => {
  await using daemon = await startDaemon();
  const first = await freePorts(4);
  await using _ = await listenAt("127.0.0.1", first);
  const range = { first, last: first + 3, auto: true };
  await createListening(daemon, "web", range, 2);
  expect((await portsOf(daemon, "web")).sort()).toEqual([first + 1, first + 2]);
  await createListening(daemon, "api", range, 1);
  expect(await portsOf(daemon, "api")).toEqual([first + 3]);
  expect(await createListening(daemon, "late", range, 1)).toEqual([
    `cannot start late#0: none of the ports ${first}-${first + 3} is free; ${first} is in use by node (pid ${process.pid})`,
  ]);
  await daemon.client(SupervisorService).stopServices({ selector: named("api") });
  await eventually(async () => (await portsOf(daemon, "late"))[0] === first + 3);
});

it("what pmctl start says of ports reaches the service", async () => {
  await using daemon = await startDaemon();
  const first = await freePorts(2);
  const run = await daemon.pmctl(["start", "--name", "web", "--port", `${first}-${first + 1}`, "-i", "2", "--", "sleep", "1000"]);
  expect(run.stderr).toBe("");
  expect(await portsOf(daemon, "web")).toEqual([first, first + 1]);
  const scaled = await daemon.pmctl(["scale", "web", "3"]);
  expect(scaled.stderr).toContain(`3 instances cannot share ${first}-${first + 1}: give ${first}-${first + 2}, or fewer instances`);
  expect(await pidOf(daemon, "web")).toBeGreaterThan(0);
});

type Ports = { first: number; last?: number; auto?: boolean };

/** What was said against it. */
async function createListening(daemon: TestDaemon, name: string, port: Ports, instances: number): Promise<string[]> {
  const spec = shell(daemon, listener, { instances, restart: { delay: { nanos: 50_000_000 }, maxDelay: { nanos: 50_000_000 } } });
  const process = create(ProcessSpecSchema, { ...spec.process, port: create(PortSpecSchema, port) });
  const { results } = await daemon.client(SupervisorService).createService({ name, spec: { ...spec, process } });
  return results.flatMap(({ problem }) => problem?.message ?? []);
}

async function portsOf(daemon: TestDaemon, name: string): Promise<number[]> {
  return (await getService(daemon, name)).status?.instances.map(({ run }) => run?.port ?? 0) ?? [];
}

async function listenAt(host: string, port: number): Promise<AsyncDisposable> {
  const server: Server = createServer().listen({ host, port, ipv6Only: true });
  await once(server, "listening");
  return {
    async [Symbol.asyncDispose]() {
      if (!server.listening) return;
      server.close();
      await once(server, "close");
    },
  };
}

/** The first of so many in a row that nobody has. */
async function freePorts(count: number): Promise<number> {
  for (let first = 20_000 + (process.pid % 1000) * 10; ; first += count) {
    const tried = await Promise.allSettled(Array.from({ length: count }, (_, at) => listenAt("::", first + at)));
    for (const { value } of tried.filter((one) => one.status === "fulfilled")) await value[Symbol.asyncDispose]();
    if (tried.every(({ status }) => status === "fulfilled")) return first;
  }
}

it("each instance is asked for its health at the port that it was given, and what depends on it waits for that", async () => {
  await using daemon = await startDaemon();
  const first = await freePorts(2);
  const client = daemon.client(SupervisorService);
  const spec = shell(daemon, `until [ -e "open$PM_INSTANCE" ]; do sleep 0.05; done; ${listener}`, { instances: 2, health: { tcp: {} } });
  const process = create(ProcessSpecSchema, { ...spec.process, port: create(PortSpecSchema, { first, last: first + 1 }) });
  await client.createService({ name: "web", spec: { ...spec, process }, wait: { level: Level.ACCEPTED } });
  await client.createService({ name: "page", spec: shell(daemon, "exec sleep 1000", { dependsOn: { web: {} } }), wait: { level: Level.ACCEPTED } });
  writeFileSync(join(daemon.root, "open1"), "");
  await eventually(async () => (await getService(daemon, "web")).status?.instances.map(({ ready }) => ready).join() === "false,true");
  expect((await getService(daemon, "page")).status?.state).toBe(State.WAITING);
  writeFileSync(join(daemon.root, "open0"), "");
  await eventually(() => isRunning(daemon, "page"));
  expect((await getService(daemon, "web")).status?.instancesReady).toBe(2);
});

it("a command that asks a service for its health, or stops it, sees the port that it was given", async () => {
  await using daemon = await startDaemon();
  const first = await freePorts(1);
  const spec = shell(daemon, "exec sleep 1000", {
    health: { exec: { command: { shell: 'echo "$PORT $NODE_APP_INSTANCE $PM_INSTANCES" >asked' } } },
  });
  const process = create(ProcessSpecSchema, {
    ...spec.process,
    port: create(PortSpecSchema, { first }),
    stop: create(StopSpecSchema, { command: create(CommandSchema, { shell: 'echo "$PORT" >stopped; kill $PM_PID' }) }),
  });
  await daemon.client(SupervisorService).createService({ name: "web", spec: { ...spec, process } });
  expect(readFileSync(join(daemon.root, "asked"), "utf8")).toBe(`${first} 0 1\n`);
  await daemon.client(SupervisorService).stopServices({ selector: named("web") });
  expect(readFileSync(join(daemon.root, "stopped"), "utf8")).toBe(`${first}\n`);
});
