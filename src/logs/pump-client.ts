import { randomBytes } from "node:crypto";
import { watch } from "node:fs";
import { mkdir, readFile, realpath, rename, rm, writeFile } from "node:fs/promises";
import { createConnection } from "node:net";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pumpUnavailable } from "../errors.ts";
import {
  type LogCounters,
  type LogFileOrder,
  type LogTotalLimit,
  type PumpAnswer,
  type PumpRequest,
  type PumpResult,
  type PumpStatus,
  pumpSocketPath,
  requestsDir,
} from "./pump-protocol.ts";

/** A pump that does not answer by then is stopped or stuck. */
const statusTimeoutMs = 5000;
const requestTimeoutMs = 10_000;
const pollMs = 1000;

/** Undefined when no pump is alive; throws when one is and does not answer. */
export async function pumpStatus(runtimeDir: string, signal?: AbortSignal): Promise<PumpStatus | undefined> {
  const path = await socketPath(runtimeDir);
  if (path === undefined) return undefined;
  const timeout = AbortSignal.timeout(statusTimeoutMs);
  return askStatus(path, signal ? AbortSignal.any([signal, timeout]) : timeout);
}

/** Sets the present files aside; resolves when that is done. */
export function requestRotation(runtimeDir: string, files: readonly LogFileOrder[], signal?: AbortSignal): Promise<PumpResult> {
  return ask(runtimeDir, { op: "rotate", files }, signal);
}

/** Removes what was written so far, or only what was set aside. */
export function requestPurge(
  runtimeDir: string,
  { files, rotatedOnly }: { files: readonly LogFileOrder[]; rotatedOnly: boolean },
  signal?: AbortSignal,
): Promise<PumpResult> {
  return ask(runtimeDir, { op: "purge", files, rotatedOnly }, signal);
}

/** What the pump has counted, by path. */
export async function requestCounters(
  runtimeDir: string,
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<Readonly<Record<string, LogCounters>>> {
  const { counters } = await ask(runtimeDir, { op: "count", paths }, signal);
  return counters ?? {};
}

/** Says what all logs together may take. The pump keeps to it until it is told otherwise, or ends. */
export async function requestTotalLimit(runtimeDir: string, limit: LogTotalLimit, signal?: AbortSignal): Promise<void> {
  await ask(runtimeDir, { op: "limit-total", limit }, signal);
}

/** Asks the pump to leave in good order, so that a newer one can take its place. Nothing is lost. */
export async function requestExit(runtimeDir: string, signal?: AbortSignal): Promise<void> {
  await ask(runtimeDir, { op: "exit" }, signal);
}

/** Where the pump of a runtime directory listens; undefined while there is no such directory. */
export async function socketPath(runtimeDir: string): Promise<string | undefined> {
  try {
    return pumpSocketPath(await realpath(runtimeDir), process.getuid?.() ?? 0);
  } catch {
    return undefined;
  }
}

function askStatus(path: string, signal: AbortSignal): Promise<PumpStatus | undefined> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = createConnection({ path });
    const abort = (): void => void socket.destroy(pumpUnavailable());
    signal.addEventListener("abort", abort, { once: true });
    socket.setEncoding("utf8");
    socket.on("connect", () => socket.write("status\n"));
    socket.on("data", (more: string) => {
      text += more;
    });
    socket.on("error", (error: NodeJS.ErrnoException) => (error.code === "ECONNREFUSED" ? resolve(undefined) : reject(error)));
    socket.on("close", () => {
      signal.removeEventListener("abort", abort);
      const status = parseStatus(text);
      if (status) resolve(status);
      else reject(pumpUnavailable());
    });
  });
}

export function parseStatus(text: string): PumpStatus | undefined {
  try {
    return JSON.parse(text) as PumpStatus;
  } catch {
    return undefined; // cut off, or not a pump
  }
}

async function ask(runtimeDir: string, request: PumpRequest, signal?: AbortSignal): Promise<PumpResult> {
  const directory = requestsDir(runtimeDir);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, randomBytes(8).toString("hex"));
  const timeout = AbortSignal.timeout(requestTimeoutMs);
  const publish = async () => {
    await writeFile(`${path}.new`, JSON.stringify(request), { mode: 0o600 });
    await rename(`${path}.new`, `${path}.json`);
  };
  try {
    const waiting = waitForFile(directory, `${path}.done`, signal ? AbortSignal.any([signal, timeout]) : timeout);
    const [answered] = await Promise.all([waiting, publish()]);
    const answer = JSON.parse(answered) as PumpAnswer;
    if ("error" in answer) throw new Error(answer.error);
    return answer;
  } finally {
    await Promise.all([".new", ".json", ".done"].map((ending) => rm(path + ending, { force: true })));
  }
}

/** Its content, once it is there. */
async function waitForFile(directory: string, path: string, signal: AbortSignal): Promise<string> {
  let stir = Promise.withResolvers<void>();
  const watcher = watchQuietly(directory, (name) => {
    if (name === basename(path)) stir.resolve();
  });
  try {
    for (;;) {
      const content = await readFile(path, "utf8").catch(() => undefined);
      if (content !== undefined) return content;
      // Aborted: by the caller, or because a pump that is alive would have answered by now.
      if (signal.aborted) throw pumpUnavailable();
      await Promise.race([stir.promise, sleep(pollMs, undefined, { signal }).catch(() => undefined)]);
      stir = Promise.withResolvers();
    }
  } finally {
    watcher?.close();
  }
}

function watchQuietly(directory: string, stirred: (name: string | null) => void) {
  try {
    const watcher = watch(directory, (_, name) => stirred(name));
    watcher.on("error", () => watcher.close());
    return watcher;
  } catch {
    return undefined; // inotify is used up: polling has to do
  }
}
