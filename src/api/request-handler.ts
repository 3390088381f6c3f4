import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { Code, ConnectError, type ConnectRouter, createConnectRouter, type Interceptor } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import type { LogError } from "./connect-error.ts";
import { endStreamsOn } from "./end-streams.ts";
import type { Limits } from "./limits.ts";

export type Request = IncomingMessage | Http2ServerRequest;
export type Response = ServerResponse | Http2ServerResponse;
export type RequestHandler = (request: Request, response: Response) => void;

export interface Api {
  readonly routes: (router: ConnectRouter) => void;
  /** The first is the outermost. */
  readonly interceptors: readonly Interceptor[];
}

/** Answers gRPC, gRPC-Web and Connect, whichever HTTP they come by. It never throws: what goes wrong on the way is logged. */
export function createRequestHandler(api: Api, limits: Limits, shutdown: AbortSignal, log: LogError): RequestHandler {
  const router = createConnectRouter({
    interceptors: [...api.interceptors, endStreamsOn(shutdown)],
    // Between processes of one host, compressing costs more than copying: it halves the speed of streams.
    acceptCompression: [],
    // A field that is spelled wrong is an error: without it a selector would select more.
    jsonOptions: { ignoreUnknownFields: false },
    readMaxBytes: limits.readMaxBytes,
    writeMaxBytes: limits.writeMaxBytes,
    maxTimeoutMs: limits.deadlineMs,
  });
  api.routes(router);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));

  return (request, response) => {
    const path = request.url?.split("?", 1)[0] ?? "";
    const handler = handlers.get(path);
    if (!handler) return refuse(response, 404, `no RPC has the path ${path}\n`);
    const incoming = readRequest(request, response);
    if (!incoming) return refuse(response, 400, "the request names no host, or one that is no part of a URL\n");
    answer(handler, incoming, response).catch((error: unknown) => {
      // A client that went away while it was being answered is no fault.
      if (!incoming.signal.aborted && ConnectError.from(error).code !== Code.Aborted) log(error, path);
      response.destroy();
    });
  };
}

function readRequest(request: Request, response: Response): UniversalServerRequest | undefined {
  try {
    return universalRequestFromNodeRequest(request, response as ServerResponse, undefined, undefined);
  } catch {
    // It makes a URL of the host and the path, whatever the client calls its host.
    return undefined;
  }
}

async function answer(handler: UniversalHandler, incoming: UniversalServerRequest, response: Response): Promise<void> {
  const outgoing = await handler(incoming);
  await universalResponseToNodeResponse(spellPlainly(outgoing), response);
}

/**
 * Connect encodes more of a gRPC message than it must, and grpc-js does not decode all of that: `default/web` would arrive as `default%2Fweb`.
 */
function spellPlainly(outgoing: UniversalServerResponse): UniversalServerResponse {
  const { body, trailer } = outgoing;
  if (!body || !trailer) return outgoing;
  async function* untilTrailer(body: AsyncIterable<Uint8Array>, trailer: Headers) {
    yield* body;
    const message = trailer.get("grpc-message");
    if (message) trailer.set("grpc-message", decodeURIComponent(message).replace(/[^ -$&-~]+/g, encodeURIComponent));
  }
  return { ...outgoing, body: untilTrailer(body, trailer) };
}

export function refuse(response: Response, status: number, text: string): void {
  (response as ServerResponse).writeHead(status, { "content-type": "text/plain; charset=utf-8" });
  response.end(text);
}
