import type { IncomingMessage } from "node:http";
import { create, type DescMessage, type DescMethodUnary, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport, type UnaryResponse } from "@connectrpc/connect";

// The Connect protocol over the UNIX socket. A verb is mostly one short call, and half of the time of the stock transport goes into what such a
// call does not need: fetch's Headers [9 ms], http2 and https [7 ms], and `import "node:http"`, which by naming all exports loads WebSocket
// and its kin [20 ms]. So a unary call is made here, in the few lines that the protocol asks for, and the stock transport is loaded for streams.

interface Reply {
  readonly response: IncomingMessage;
  readonly body: Uint8Array;
}

export function createSocketTransport(socketPath: string): Transport {
  let stock: Promise<Transport> | undefined;
  return {
    unary: (method, signal, timeoutMs, _header, input) => callUnary(socketPath, method, input, { signal, timeoutMs }),
    async stream(...call) {
      stock ??= loadStockTransport(socketPath);
      return (await stock).stream(...call);
    },
  };
}

async function loadStockTransport(socketPath: string): Promise<Transport> {
  const { createConnectTransport } = await import("@connectrpc/connect-node");
  return createConnectTransport({
    httpVersion: "1.1",
    baseUrl: "http://pmd",
    nodeOptions: { socketPath },
    useBinaryFormat: true,
    acceptCompression: [],
  });
}

interface Limits {
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number | undefined;
}

async function callUnary<I extends DescMessage, O extends DescMessage>(
  socketPath: string,
  method: DescMethodUnary<I, O>,
  input: MessageInitShape<I>,
  limits: Limits,
): Promise<UnaryResponse<I, O>> {
  if (limits.signal?.aborted) throw givenUp();
  const body = toBinary(method.input, create(method.input, input));
  const reply = await post(socketPath, `/${method.parent.typeName}/${method.name}`, body, limits);
  if (reply.response.statusCode !== 200) throw await refusal(reply);
  return {
    stream: false,
    service: method.parent,
    method,
    message: fromBinary(method.output, reply.body),
    get header() {
      return headersOf(reply);
    },
    get trailer() {
      return new Headers();
    },
  };
}

function post(socketPath: string, path: string, body: Uint8Array, { signal, timeoutMs }: Limits): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const http = process.getBuiltinModule("node:http");
    const request = http.request({
      socketPath,
      path,
      method: "POST",
      // Else Node looks whether the host name is an IP address [3 ms].
      servername: "",
      headers: {
        host: "pmd",
        "content-type": "application/proto",
        "content-length": body.length,
        "connect-protocol-version": "1",
        ...(timeoutMs !== undefined && { "connect-timeout-ms": String(Math.ceil(timeoutMs)) }),
      },
    } as object);
    // Errors come from the request or, once there is one, from the response, and sometimes from both; the first one counts.
    const fail = (error: Error) => {
      release();
      reject(error instanceof ConnectError ? error : lostConnection(error));
      request.destroy();
    };
    const release = limit({ signal, timeoutMs }, fail);
    request.on("error", fail);
    request.once("response", (response) => {
      const chunks: Uint8Array[] = [];
      response.on("error", fail);
      response.on("data", (chunk: Uint8Array) => chunks.push(chunk));
      response.once("end", () => {
        release();
        resolve({ response, body: Buffer.concat(chunks) });
      });
    });
    request.end(body);
  });
}

/** Fails when the time is over or nobody wants the answer any more; returns what ends the watch. */
function limit({ signal, timeoutMs }: Limits, fail: (error: Error) => void): () => void {
  const abort = () => fail(givenUp());
  const expire = () => fail(new ConnectError("the time for the answer is over", Code.DeadlineExceeded));
  // A longer timer would overflow in Node.
  const timer = timeoutMs === undefined ? undefined : setTimeout(expire, Math.min(timeoutMs, 2_147_483_647));
  signal?.addEventListener("abort", abort, { once: true });
  return () => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  };
}

function givenUp(): ConnectError {
  return new ConnectError("the call was given up", Code.Canceled);
}

function lostConnection(error: Error): ConnectError {
  return new ConnectError(error.message, Code.Unavailable, undefined, undefined, error);
}

async function refusal(reply: Reply): Promise<ConnectError> {
  const { codeFromHttpStatus, errorFromJsonBytes } = await import("@connectrpc/connect/protocol-connect");
  const status = reply.response.statusCode ?? 0;
  const fallback = new ConnectError(`it answered with HTTP status ${status}`, codeFromHttpStatus(status));
  try {
    return errorFromJsonBytes(reply.body, undefined, fallback);
  } catch {
    // The answer was no error of this protocol: somebody else listens there.
    return fallback;
  }
}

function headersOf({ response }: Reply): Headers {
  return new Headers(Object.entries(response.headers).map(([name, value]): [string, string] => [name, String(value)]));
}
