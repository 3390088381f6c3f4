import net from "node:net";
import { join } from "node:path";
import { type ConnectRouter, createClient, type ServiceImpl, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { EventService } from "../../gen/pm/v1/event_service_pb.ts";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { translateErrors } from "../../src/api/connect-error.ts";
import { type ListenOptions, listen } from "../../src/api/listen.ts";
import { validateRequests } from "../../src/api/validate-request.ts";
import { makeTempDir } from "./temp-dir.ts";

interface ApiServerOptions extends Partial<ListenOptions> {
  events?: Partial<ServiceImpl<typeof EventService>>;
  supervisor?: Partial<ServiceImpl<typeof SupervisorService>>;
}

/** The real listener with the real interceptors on a socket of its own; the handlers are the test's. */
export async function startApiServer({ events = {}, supervisor = {}, routes, ...options }: ApiServerOptions = {}) {
  const directory = makeTempDir();
  const faults: unknown[] = [];
  const log = (error: unknown) => void faults.push(error);
  const listener = await listen({
    path: join(directory.path, "pmd.sock"),
    routes(router: ConnectRouter) {
      router.service(EventService, events).service(SupervisorService, supervisor);
      routes?.(router);
    },
    interceptors: [translateErrors(log), validateRequests],
    log,
    ...options,
  });
  return {
    path: listener.address,
    directory: directory.path,
    listener,
    /** What went wrong without a caller who could be told. */
    faults,
    async [Symbol.asyncDispose]() {
      await listener.close(0);
      await directory[Symbol.asyncDispose]();
    },
  };
}

const baseUrl = "http://pmd";

/** Every way in which connect-node can speak to the socket. */
export const wires = [
  "connect, JSON, HTTP/1.1",
  "connect, binary, HTTP/1.1",
  "connect, binary, HTTP/2",
  "gRPC, HTTP/2",
  "gRPC-Web, HTTP/1.1",
  "gRPC-Web, HTTP/2",
] as const;
export type Wire = (typeof wires)[number];

export function createEventClient(path: string, wire: Wire = "connect, JSON, HTTP/1.1") {
  return createClient(EventService, transports[wire](path));
}

export function createSupervisorClient(path: string, wire: Wire = "connect, JSON, HTTP/1.1") {
  return createClient(SupervisorService, transports[wire](path));
}

const transports: Record<Wire, (path: string) => Transport> = {
  "connect, JSON, HTTP/1.1": (path) => createConnectTransport({ baseUrl, httpVersion: "1.1", nodeOptions: { socketPath: path } }),
  "connect, binary, HTTP/1.1": (path) =>
    createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: true, nodeOptions: { socketPath: path } }),
  "connect, binary, HTTP/2": (path) => createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: true, nodeOptions: dialing(path) }),
  "gRPC, HTTP/2": (path) => createGrpcTransport({ baseUrl, nodeOptions: dialing(path) }),
  "gRPC-Web, HTTP/1.1": (path) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1", nodeOptions: { socketPath: path } }),
  "gRPC-Web, HTTP/2": (path) => createGrpcWebTransport({ baseUrl, httpVersion: "2", nodeOptions: dialing(path) }),
};

function dialing(path: string) {
  return { createConnection: () => net.connect(path) };
}
