import { closeSync, constants, existsSync, type FSWatcher, openSync, readFileSync, rmSync, watch, writeFileSync, writeSync } from "node:fs";
import { basename, isAbsolute, join } from "node:path";
import { failpoint } from "../failpoint.ts";
import { type RunSpecFile, readRunLogs, wholeLine } from "../host/run-files.ts";
import { isShortage } from "../host/shortage.ts";
import { Fifo } from "./fifo.ts";
import type { LogFile, LogSettings } from "./log-file.ts";

// The output of one run, from the moment its shim holds the FIFOs until nobody does:
//
//   `shim` is there            open the FIFOs: before that there is no writer, and that looks like the end
//   `exit` is there            take all that the FIFOs hold, then let the shim go by a line in `ack`. Not before: with the last of its holders
//                              a FIFO dies, and so does what is in it
//   nobody holds out, or err   `out.eof`, `err.eof`. A grandchild may hold one for long after the exit: it is read for as long
//
// A log that makes its services wait gives a chunk back when the disk is full. It is kept, and the FIFO is not read until it has been written; then
// the exit is not answered either, and the shim holds the FIFO for as long. The service can be killed all the same. A pump that leaves puts
// what it has in hand into the directory, as `out.held` or `err.held`, for the next.
//
// Whatever of this an earlier pump has done can be seen in the directory or is harmless when it is done again. Inotify says when to look; the
// pump's tick looks all the same.

/** More than any FIFO holds, so that a grandchild that never stops writing cannot keep the shim from leaving. */
const mostInFifo = 16 * 1024 * 1024;

export interface LogFiles {
  acquire(path: string, settings: LogSettings): LogFile;
  release(file: LogFile): void;
}

export class RunOutput {
  readonly directory: string;
  readonly #files: LogFiles;
  readonly #streams: Stream[] = [];
  #phase: "published" | "reading" | "draining" | "done" = "published";
  #watcher: FSWatcher | undefined;

  constructor(directory: string, files: LogFiles) {
    this.directory = directory;
    this.#files = files;
    this.#watch();
  }

  /** Nothing is left to be done for it. */
  get done(): boolean {
    return this.#phase === "done";
  }

  get bytes(): number {
    return this.#streams.reduce((sum, stream) => sum + stream.bytes, 0);
  }

  look(): void {
    for (const stream of this.#streams) stream.retry();
    if (this.#phase === "published" && existsSync(join(this.directory, "shim"))) this.#begin();
    if (this.#phase === "reading" && this.#hasExited()) this.#letShimGo();
    if (this.#streams.length > 0 && this.#streams.every((stream) => stream.tellEnd())) this.close();
  }

  /** What is still in the FIFOs stays there for the next pump. */
  close(): void {
    this.#phase = "done";
    this.#watcher?.close();
    for (const stream of this.#streams) stream.close();
  }

  #begin(): void {
    let spec: RunSpecFile | undefined;
    try {
      spec = readSpec(this.directory);
    } catch {
      return; // no descriptors left: the next look tries again
    }
    if (!spec) return this.close();
    this.#phase = "reading";
    this.#streams.push(new Stream(this, "out", spec, this.#files), new Stream(this, "err", spec, this.#files));
  }

  #hasExited(): boolean {
    if (!this.#streams.every((stream) => stream.open())) return false;
    const path = join(this.directory, "exit");
    return existsSync(path) && wholeLine(readIfThere(path) ?? "") !== undefined;
  }

  #letShimGo(): void {
    if (!this.#streams.map((stream) => stream.drain()).every((drained) => drained)) return;
    failpoint("pump.drained");
    this.#watcher?.close();
    this.#phase = "draining";
    try {
      const ack = openSync(join(this.directory, "ack"), constants.O_RDWR | constants.O_NONBLOCK);
      writeSync(ack, "drained\n");
      failpoint("pump.acknowledged");
      closeSync(ack);
    } catch (error) {
      // The directory has been taken away, or there are no descriptors left and the next look tries again.
      if ((error as NodeJS.ErrnoException).code === "EMFILE") this.#phase = "reading";
    }
  }

  #watch(): void {
    try {
      this.#watcher = watch(this.directory, (_, name) => {
        // Some kernels report every write to a FIFO, and there may be a million a second: then the tick has to do.
        if (name === "out" || name === "err") this.#watcher?.close();
        else this.look();
      });
      this.#watcher.on("error", () => this.#watcher?.close());
    } catch {
      // Inotify is used up: the tick looks once a second.
    }
  }
}

class Stream {
  bytes = 0;
  readonly #run: RunOutput;
  readonly #name: "out" | "err";
  readonly #runId: string;
  readonly #files: LogFiles;
  readonly #file: LogFile;
  #fifo: Fifo | undefined;
  /** What the log would not take yet. */
  #held: Buffer | undefined;
  #state: "open" | "hung-up" | "told" | "closed" = "open";

  constructor(run: RunOutput, name: "out" | "err", { runId, logs }: RunSpecFile, files: LogFiles) {
    this.#run = run;
    this.#name = name;
    this.#runId = runId;
    this.#files = files;
    this.#file = files.acquire(name === "out" ? logs.stdout : logs.stderr, logs.settings);
    this.open();
  }

  /** False where it could not be opened now. */
  open(): boolean {
    if (this.#fifo || this.#state !== "open") return true;
    if (existsSync(this.#eofPath)) {
      this.#letGo("told");
      return true;
    }
    this.#takeHeld();
    if (this.#held) return false;
    try {
      const take = (chunk: Buffer) => this.#take(chunk);
      this.#fifo = new Fifo(join(this.#run.directory, this.#name), take, () => this.#hungUp());
      return true;
    } catch {
      return false; // no descriptors left, or the directory is gone: the tick finds out
    }
  }

  /** False while there is something that the log does not take. */
  drain(): boolean {
    return !this.#held && (this.#fifo?.drain(mostInFifo) ?? true);
  }

  /** Brings the log again what it did not take. */
  retry(): void {
    const held = this.#held;
    if (!held) return;
    const left = this.#file.append(held, this.#runId);
    this.#held = left > 0 ? held.subarray(held.length - left) : undefined;
    if (!this.#held) this.#fifo?.resume();
  }

  close(): void {
    this.#letGo("closed");
  }

  /** A run that is silent makes no files: most never say a word on stderr, and a hundred starts at once are felt. */
  #take(chunk: Buffer): boolean {
    if (this.bytes === 0) this.#file.beginRun(this.#runId);
    this.bytes += chunk.length;
    const left = this.#file.append(chunk, this.#runId);
    // The chunk is a view of a buffer that all FIFOs share.
    this.#held = left > 0 ? Buffer.from(chunk.subarray(chunk.length - left)) : undefined;
    return left === 0;
  }

  /** False while somebody may still write. */
  tellEnd(): boolean {
    if (this.#state === "hung-up") {
      try {
        writeFileSync(this.#eofPath, "");
        failpoint("pump.end-told");
        this.#state = "told";
      } catch (error) {
        // Whoever took the directory away needs to be told nothing; a full disk is tried again.
        if ((error as NodeJS.ErrnoException).code === "ENOENT") this.#state = "told";
      }
    }
    return this.#state === "told";
  }

  /** What an earlier pump had in hand when it left. */
  #takeHeld(): void {
    let held: Buffer;
    try {
      held = readFileSync(this.#heldPath);
      rmSync(this.#heldPath);
    } catch {
      return; // there is none, as nearly always
    }
    this.#take(held);
  }

  #leaveHeld(): void {
    const held = this.#held;
    this.#held = undefined;
    if (!held) return;
    try {
      writeFileSync(this.#heldPath, held, { mode: 0o600 });
    } catch {
      // The directory is gone, or its disk is full too.
      this.#file.giveUp(held);
    }
  }

  #hungUp(): void {
    if (this.#state !== "open") return;
    this.#letGo("hung-up");
    this.#run.look();
  }

  #letGo(next: "hung-up" | "told" | "closed"): void {
    this.#fifo?.close();
    this.#fifo = undefined;
    this.#leaveHeld();
    if (this.#state === "open") this.#files.release(this.#file);
    this.#state = next;
  }

  get #heldPath(): string {
    return join(this.#run.directory, `${this.#name}.held`);
  }

  get #eofPath(): string {
    return join(this.#run.directory, `${this.#name}.eof`);
  }
}

/** A directory whose name is not the run's is being made, or removed. */
function readSpec(directory: string): RunSpecFile | undefined {
  try {
    const spec = JSON.parse(readFileSync(join(directory, "spec.json"), "utf8")) as RunSpecFile;
    const ours = spec.runId === basename(directory) && isAbsolute(spec.logs.stdout) && isAbsolute(spec.logs.stderr);
    return ours ? { ...spec, logs: readRunLogs(spec.logs) } : undefined;
  } catch (error) {
    if (isShortage(error)) throw error;
    return undefined; // not a run of ours
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined; // not written yet
  }
}
