import type { IncomingMessage, ServerResponse } from "node:http";
import http2, { type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import { Code, ConnectError, type ConnectRouter, createConnectRouter, type Interceptor } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest } from "@connectrpc/connect/protocol";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import type { LogError } from "./connect-error.ts";
import { endStreamsOn } from "./end-streams.ts";
import type { Limits } from "./limits.ts";
import { endReadsAfter } from "./read-deadline.ts";

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
    interceptors: [...api.interceptors, endStreamsOn(shutdown), endReadsAfter(limits.readDeadlineMs)],
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
    if (isHttp2(request) && handler.method.methodKind !== "bidi_streaming") limitRequest(request, response, limits.requestTimeoutMs);
    const fail = (error: unknown) => {
      if (!incoming.signal.aborted && ConnectError.from(error).code !== Code.Aborted) log(error, path);
    };
    answer(handler, incoming, response, fail).catch(() => response.destroy());
  };
}

function isHttp2(request: Request): request is Http2ServerRequest {
  return request.httpVersionMajor === 2;
}

/** Node does this for HTTP/1.1 only. A call in which the client may ask on and on has no request that could be complete. */
function limitRequest(request: Http2ServerRequest, response: Response, timeoutMs: number): void {
  const timer = setTimeout(() => {
    if (!request.stream.readableEnded) request.stream.close(http2.constants.NGHTTP2_CANCEL);
  }, timeoutMs);
  response.once("close", () => clearTimeout(timer));
}

function readRequest(request: Request, response: Response): UniversalServerRequest | undefined {
  try {
    return universalRequestFromNodeRequest(request, response as ServerResponse, undefined, undefined);
  } catch {
    // It makes a URL of the host and the path, whatever the client calls its host.
    return undefined;
  }
}

/** Rejects when the answer cannot be sent: what went wrong on our side has been told to `fail`, the rest is a client that has left. */
async function answer(
  handler: UniversalHandler,
  incoming: UniversalServerRequest,
  response: Response,
  fail: (error: unknown) => void,
): Promise<void> {
  const { body, ...outgoing } = await handler(incoming).catch((error: unknown) => {
    fail(error);
    throw error;
  });
  await universalResponseToNodeResponse(body ? { ...outgoing, body: sendable(body, outgoing.trailer, fail) } : outgoing, response);
}

async function* sendable(body: AsyncIterable<Uint8Array>, trailer: Headers | undefined, fail: (error: unknown) => void) {
  // A write that fails is thrown in at the `yield`. The loop makes a `return` of it, so that the handler just ends; a `yield*` would hand it
  // on as if it were an error of the handler.
  let writing = false;
  try {
    for await (const bytes of body) {
      writing = true;
      yield bytes;
      writing = false;
    }
  } catch (error) {
    if (!writing) fail(error);
    throw error;
  }
  if (trailer) spellPlainly(trailer);
}

/**
 * Connect encodes more of a gRPC message than it must, and grpc-js does not decode all of that: `default/web` would arrive as `default%2Fweb`.
 */
function spellPlainly(trailer: Headers): void {
  const message = trailer.get("grpc-message");
  if (message) trailer.set("grpc-message", decodeURIComponent(message).replace(/[^ -$&-~]+/g, encodeURIComponent));
}

export function refuse(response: Response, status: number, text: string): void {
  (response as ServerResponse).writeHead(status, { "content-type": "text/plain; charset=utf-8" });
  response.end(text);
}
