import http from "node:http";
import http2 from "node:http2";
import type { Socket } from "node:net";
import type { LogError } from "./connect-error.ts";
import type { Limits } from "./limits.ts";
import { type Request, type RequestHandler, type Response, refuse } from "./request-handler.ts";

// HTTP/1.1 and HTTP/2 on the same socket, without TLS. A client that speaks HTTP/2 says so in its first 24 bytes; whoever says anything else
// gets HTTP/1.1. Neither of Node's two servers listens: connections are handed to them when their first bytes have been seen.

export interface HttpFront {
  accept(socket: Socket): void;
  /** Lets calls finish and ends their connections; whoever waits decides how long to wait. */
  drain(): void;
  /** Ends calls that have not finished. */
  cut(): void;
}

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export function createHttpFront(handler: RequestHandler, limits: Limits, log: LogError): HttpFront {
  let calls = 0;
  let draining = false;
  const undecided = new Set<Socket>();
  /** Each with its open streams. */
  const sessions = new Map<http2.ServerHttp2Session, Set<http2.ServerHttp2Stream>>();

  const h1 = http.createServer({
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.idleTimeoutMs,
    maxHeaderSize: limits.headerBytes,
    connectionsCheckingInterval: Math.min(limits.headersTimeoutMs, 5000),
  });
  h1.maxHeadersCount = limits.headers;
  // Node starts the watch over slow requests when the server begins to listen, which this one never does.
  h1.emit("listening");

  const h2 = http2.createServer({
    settings: { maxConcurrentStreams: limits.streamsPerConnection, maxHeaderListSize: limits.headerBytes },
    maxSessionMemory: limits.connectionMemoryMib,
    maxHeaderListPairs: limits.headers,
    maxSessionInvalidFrames: 100,
    unknownProtocolTimeout: limits.prefaceTimeoutMs,
  });

  h1.on("request", serve);
  h2.on("request", serve);
  for (const server of [h1, h2]) server.on("error", (error) => log(error, "http"));
  h2.on("sessionError", ignore);

  return {
    accept(socket) {
      // Whatever server has it by then hears of an error too; with nobody to hear it, it would end pmd.
      socket.on("error", ignore);
      undecided.add(socket);
      sniff(socket, limits.prefaceTimeoutMs, (server) => {
        undecided.delete(socket);
        if (server === "h2") {
          // A client of HTTP/2 that says no more is gone; its streams end only with the socket.
          socket.allowHalfOpen = false;
          const keepThis = (session: http2.ServerHttp2Session) => keep(session, socket);
          // It is made within this call.
          h2.once("session", keepThis).emit("connection", socket);
          h2.off("session", keepThis);
        } else {
          h1.emit("connection", socket);
          socket.resume();
        }
      });
      socket.once("close", () => undecided.delete(socket));
    },
    drain() {
      draining = true;
      for (const socket of undecided) socket.destroy();
      for (const session of sessions.keys()) session.close();
      // It closes the connections that are idle, and stops the watch over slow requests.
      h1.close();
    },
    cut() {
      // A client that has been told that the session ends well takes the end of its socket for that: it has to be told of each stream.
      for (const streams of sessions.values()) for (const stream of streams) stream.close(http2.constants.NGHTTP2_CANCEL);
    },
  };

  function serve(request: Request, response: Response): void {
    const { socket } = request;
    calls++;
    response.once("close", () => {
      calls--;
      if (draining && request.httpVersionMajor === 1) socket.destroySoon();
    });
    if (draining || calls > limits.calls) refuse(response, 503, draining ? "pmd is going down\n" : `at most ${limits.calls} calls at a time\n`);
    else handler(request, response);
  }

  function keep(session: http2.ServerHttp2Session, socket: Socket): void {
    const streams = new Set<http2.ServerHttp2Stream>();
    sessions.set(session, streams);
    session.on("error", ignore);
    // Not `close`, which would wait for the client to agree; and `destroy` alone waits until it has taken what was written.
    const end = () => {
      session.destroy();
      setImmediate(() => socket.destroy());
    };
    // Node's own timeout begins anew with each byte that comes.
    const idle = setTimeout(() => {
      if (streams.size === 0) end();
    }, limits.idleTimeoutMs);
    const silent = setTimeout(end, limits.prefaceTimeoutMs);
    session.once("remoteSettings", () => clearTimeout(silent));
    session.once("close", () => {
      clearTimeout(idle);
      clearTimeout(silent);
      sessions.delete(session);
    });
    session.on("stream", (stream) => {
      streams.add(stream);
      stream.once("close", () => {
        streams.delete(stream);
        if (streams.size === 0 && !session.destroyed) idle.refresh();
      });
    });
    if (draining) session.close();
  }
}

/** A broken connection is the client's business. Its calls are cancelled by the server that has it. */
function ignore(): void {}

/** Reads until it is clear what the client speaks, and puts back what it has read. */
function sniff(socket: Socket, timeoutMs: number, decided: (server: "h1" | "h2") => void): void {
  let seen = Buffer.alloc(0);
  const timer = setTimeout(() => socket.destroy(), timeoutMs);
  socket.on("data", onData);
  socket.once("end", onEnd);
  socket.once("close", () => clearTimeout(timer));

  // By "data" rather than "readable": with a part of the preface put back, "readable" would come again at once, and again.
  function onData(chunk: Buffer): void {
    seen = Buffer.concat([seen, chunk]);
    const compared = Math.min(seen.length, preface.length);
    const same = seen.subarray(0, compared).equals(preface.subarray(0, compared));
    if (same && compared < preface.length) return;
    clearTimeout(timer);
    socket.off("data", onData);
    socket.off("end", onEnd);
    socket.pause();
    socket.unshift(seen);
    decided(same ? "h2" : "h1");
  }

  function onEnd(): void {
    socket.destroy();
  }
}
