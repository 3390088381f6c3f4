import { chmodSync, lchownSync, lstatSync, statSync, unlinkSync } from "node:fs";
import net from "node:net";
import { dirname } from "node:path";
import type { LogError } from "./connect-error.ts";
import { createHttpFront } from "./http-front.ts";
import { defaultLimits, type Limits } from "./limits.ts";
import { type Api, createRequestHandler } from "./request-handler.ts";
import { findGroupId, findUserId } from "./socket-owner.ts";

export interface ListenOptions extends Api {
  readonly path: string;
  /** 0600 unless said. */
  readonly mode?: number;
  /** Names or numbers; whoever pmd runs as unless said. */
  readonly owner?: string | undefined;
  readonly group?: string | undefined;
  readonly limits?: Partial<Limits>;
  /** Hears of faults that no caller can be told of. */
  readonly log: LogError;
}

export interface Listener {
  readonly address: string;
  /** Accepts nothing more, ends streams, lets unary calls finish for so long, then cuts what is left. */
  close(graceMs: number): Promise<void>;
}

/** Serves the API on a UNIX socket. The directory is the caller's business. */
export async function listen({ path, mode = 0o600, owner, group, log, ...more }: ListenOptions): Promise<Listener> {
  const limits = { ...defaultLimits, ...more.limits };
  const uid = owner === undefined ? -1 : findUserId(owner);
  const gid = group === undefined ? -1 : findGroupId(group);
  checkPath(path);
  await clearPath(path);

  const shutdown = new AbortController();
  const front = createHttpFront(createRequestHandler(more, limits, shutdown.signal, log), limits, log);
  const sockets = new Set<net.Socket>();
  // Half-open, because a client may say all it has to say and then wait for the answer.
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    front.accept(socket);
  });
  server.maxConnections = limits.connections;
  await bind(server, path);
  server.on("error", (error) => log(error, path));
  try {
    lchownSync(path, uid, gid);
    chmodSync(path, mode);
  } catch (cause) {
    server.close();
    throw new Error(`cannot give ${path} to ${owner ?? uid}:${group ?? gid} with mode ${mode.toString(8)}: ${(cause as Error).message}`, { cause });
  }

  let closing: Promise<void> | undefined;
  return {
    address: path,
    close(graceMs) {
      closing ??= closeWithin(graceMs);
      return closing;
    },
  };

  async function closeWithin(graceMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    shutdown.abort();
    front.drain();
    const timer = setTimeout(() => {
      front.cut();
      // What that has to say to the clients is written before the next immediate.
      setImmediate(() => {
        for (const socket of sockets) socket.destroy();
      });
    }, graceMs);
    await closed;
    clearTimeout(timer);
  }
}

/** The address of a UNIX socket has 108 bytes, the last of them NUL. Node cuts what is longer, and listens elsewhere. */
const maxPathBytes = 107;

function checkPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes > maxPathBytes) {
    throw new Error(`cannot listen on ${path}: it has ${bytes} bytes, and the path of a socket has at most ${maxPathBytes}: choose a shorter one`);
  }
  if (path === "" || path.includes("\0")) throw new Error(`cannot listen on ${JSON.stringify(path)}: it is no path`);
  const directory = dirname(path);
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) throw new Error(`cannot listen on ${path}: there is no directory ${directory}`);
}

/** Removes the socket of a pmd that is gone. Whatever else is there stays. */
async function clearPath(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isSocket()) throw new Error(`cannot listen on ${path}: something is there that is not a socket`);
  const refusal = await dial(path);
  if (refusal === undefined || refusal === "EAGAIN") throw new Error(`another pmd serves on ${path}`);
  if (refusal === "ENOENT") return;
  if (refusal !== "ECONNREFUSED") throw new Error(`cannot listen on ${path}: a socket is there, and dialling it fails with ${refusal}`);
  unlinkSync(path);
}

/** Undefined when somebody answers, else the code of the error. */
function dial(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = net.connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

/** The socket is born with mode 000, so that nobody comes in before it has its owner and mode. */
function bind(server: net.Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error) => reject(new Error(`cannot listen on ${path}: ${cause.message}`, { cause }));
    server.once("error", fail);
    server.once("listening", () => {
      server.off("error", fail);
      resolve();
    });
    const umask = process.umask(0o777);
    try {
      // The kernel binds within this call; only the event comes later.
      server.listen(path);
    } finally {
      process.umask(umask);
    }
  });
}
