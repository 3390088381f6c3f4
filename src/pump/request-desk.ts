import { type FSWatcher, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, watch, writeFileSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import {
  type LogCounters,
  type LogFileOrder,
  type LogTotalLimit,
  type PumpAnswer,
  type PumpRequest,
  type PumpResult,
  requestsDir,
} from "../logs/pump-protocol.ts";
import type { LogFile } from "./log-file.ts";

/** A line that has not ended by then is cut by a rotation that was asked for. */
const lineEndMs = 200;
/** Answers that nobody fetched are removed. */
const keepAnswersMs = 600_000;

export interface DeskWork {
  withFile<T>(order: LogFileOrder, use: (file: LogFile) => Promise<T>): Promise<T>;
  count(path: string): LogCounters;
  limitTotal(limit: LogTotalLimit): void;
  exit(): void;
}

/** Takes requests from their directory and leaves the answers there. */
export class RequestDesk {
  readonly #directory: string;
  readonly #work: DeskWork;
  readonly #inHand = new Set<string>();
  #watcher: FSWatcher | undefined;

  constructor(runtimeDir: string, work: DeskWork) {
    this.#directory = requestsDir(runtimeDir);
    this.#work = work;
  }

  open(): void {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    removeOldAnswers(this.#directory);
    try {
      this.#watcher = watch(this.#directory, () => this.look());
      this.#watcher.on("error", () => this.#watcher?.close());
    } catch {
      // Inotify is used up: the pump's tick looks.
    }
  }

  close(): void {
    this.#watcher?.close();
  }

  look(): void {
    for (const name of listRequests(this.#directory)) {
      if (this.#inHand.has(name)) continue;
      this.#inHand.add(name);
      void this.#handle(name).finally(() => this.#inHand.delete(name));
    }
  }

  async #handle(name: string): Promise<void> {
    const path = join(this.#directory, name);
    const answer = await this.#answer(path).catch((error: Error): PumpAnswer => ({ error: error.message }));
    try {
      const done = path.replace(/\.json$/, ".done");
      writeFileSync(`${done}.new`, JSON.stringify(answer), { mode: 0o600 });
      renameSync(`${done}.new`, done);
    } catch {
      // Full, or the directory is gone: whoever asked gives up by its own clock.
    }
    rmSync(path, { force: true });
  }

  async #answer(path: string): Promise<PumpResult> {
    const request = JSON.parse(readFileSync(path, "utf8")) as PumpRequest;
    if (request.op === "exit") {
      setImmediate(() => this.#work.exit());
      return { paths: [], freedBytes: 0 };
    }
    if (request.op === "count") {
      return { paths: [], freedBytes: 0, counters: Object.fromEntries(request.paths.map((path) => [path, this.#work.count(path)])) };
    }
    if (request.op === "limit-total") {
      const { bytes, logDir } = request.limit;
      if (!isAbsolute(logDir) || !Number.isSafeInteger(bytes) || bytes < 0) throw new Error(`cannot limit ${logDir} to ${bytes} bytes`);
      this.#work.limitTotal({ bytes, logDir });
      return { paths: [], freedBytes: 0 };
    }
    const wrong = request.files.find((file) => !isAbsolute(file.path));
    if (wrong) throw new Error(`cannot ${request.op} ${wrong.path}: the path is not absolute`);
    const results = await Promise.all(request.files.map((order) => this.#work.withFile(order, (file) => perform(request, file))));
    return { paths: results.flatMap(({ paths }) => paths), freedBytes: results.reduce((sum, { freedBytes }) => sum + freedBytes, 0) };
  }
}

async function perform(request: Extract<PumpRequest, { files: unknown }>, file: LogFile): Promise<PumpResult> {
  switch (request.op) {
    case "rotate": {
      const path = await file.rotateBetweenLines(lineEndMs);
      return { paths: path === undefined ? [] : [path], freedBytes: 0 };
    }
    case "purge":
      return { paths: [], freedBytes: file.purge(request.rotatedOnly) };
  }
}

function listRequests(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => name.endsWith(".json"));
  } catch {
    return []; // the directory is gone: so is whoever would ask
  }
}

function removeOldAnswers(directory: string): void {
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    if (!name.endsWith(".json") && Date.now() - statSync(path).mtimeMs > keepAnswersMs) rmSync(path, { force: true });
  }
}
