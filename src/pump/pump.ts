import { existsSync, type FSWatcher, mkdirSync, readdirSync, watch } from "node:fs";
import { join } from "node:path";
import type { LogCounters, LogFileOrder, PumpStatus } from "../logs/pump-protocol.ts";
import { LogFile, type LogSettings } from "./log-file.ts";
import { LogTotal } from "./log-total.ts";
import { Packer, type PackOrder } from "./packer.ts";
import { RequestDesk } from "./request-desk.ts";
import { RunOutput } from "./run-output.ts";

/** Every look that inotify may have cost us is made by then. */
const tickMs = 1000;
const mostPastCounters = 10_000;

/** Reads the output of all runs in one runtime directory and writes it to their log files. */
export class Pump {
  readonly #runsDir: string;
  readonly #runtimeDir: string;
  readonly #version: string;
  readonly #desk: RequestDesk;
  readonly #runs = new Map<string, RunOutput>();
  readonly #files = new Map<string, { file: LogFile; users: number }>();
  readonly #exit: () => void;
  readonly #packer = new Packer();
  readonly #total = new LogTotal(() => this.#files.values().map(({ file }) => file));
  /** Of runs that are over; what they have set aside is not all packed. */
  readonly #closed = new Set<LogFile>();
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Of runs that are over. */
  #pastBytes = 0;
  /** Of files that are closed: all of them, and the last of them by path. */
  #past = nothing;
  readonly #pastByPath = new Map<string, LogCounters>();

  /** `exit` is called when the pump is asked to leave, or its runtime directory is gone. */
  constructor({ runtimeDir, version, exit }: { runtimeDir: string; version: string; exit: () => void }) {
    this.#runtimeDir = runtimeDir;
    this.#runsDir = join(runtimeDir, "runs");
    this.#version = version;
    this.#exit = exit;
    this.#desk = new RequestDesk(runtimeDir, {
      withFile: (order, use) => this.#withFile(order, use),
      count: (path) => this.#count(path),
      limitTotal: (limit) => this.#total.limit(limit),
      exit,
    });
  }

  start(): void {
    mkdirSync(this.#runsDir, { recursive: true, mode: 0o711 });
    this.#desk.open();
    this.#watch();
    this.#tick();
    this.#timer = setInterval(() => this.#tick(), tickMs);
  }

  /** In good order: everything read has been written, and the indexes say so. */
  close(): void {
    clearInterval(this.#timer);
    this.#watcher?.close();
    this.#desk.close();
    this.#packer.close();
    for (const run of this.#runs.values()) run.close();
    for (const { file } of this.#files.values()) file.close();
  }

  get idle(): boolean {
    return this.#runs.size === 0;
  }

  status(): PumpStatus {
    const bytes = this.#runs.values().reduce((sum, run) => sum + run.bytes, this.#pastBytes);
    const { droppedBytes: dropped, blockedMs } = this.#files.values().reduce((sum, { file }) => add(sum, file), this.#past);
    const runs = this.#runs.values().reduce((count, run) => count + (run.done ? 0 : 1), 0);
    return { pid: process.pid, version: this.#version, runs, bytes, dropped, blockedMs, logTotalBytes: this.#total.limitBytes };
  }

  acquire(path: string, settings: LogSettings): LogFile {
    const known = this.#files.get(path) ?? { file: this.#open(path, settings), users: 0 };
    known.users++;
    known.file.settings = settings;
    this.#files.set(path, known);
    return known.file;
  }

  #open(path: string, settings: LogSettings): LogFile {
    this.#total.opened(path);
    return new LogFile(path, settings, () => this.#total.enforce());
  }

  release(file: LogFile): void {
    const known = this.#files.get(file.path);
    if (known && --known.users === 0) this.#closeFile(file);
  }

  #closeFile(file: LogFile): void {
    if (!file.close()) return; // the disk is full: the tick tries again
    this.#files.delete(file.path);
    this.#total.closed(file);
    if (file.mayPack) this.#closed.add(file);
    this.#past = add(this.#past, file);
    const counted = add(this.#pastByPath.get(file.path) ?? nothing, file);
    this.#pastByPath.delete(file.path);
    this.#pastByPath.set(file.path, counted);
    const [oldest] = this.#pastByPath.keys();
    if (oldest !== undefined && this.#pastByPath.size > mostPastCounters) this.#pastByPath.delete(oldest);
  }

  #count(path: string): LogCounters {
    return add(this.#pastByPath.get(path) ?? nothing, this.#files.get(path)?.file ?? nothing);
  }

  async #withFile<T>({ path, settings }: LogFileOrder, use: (file: LogFile) => Promise<T>): Promise<T> {
    const known = this.#files.get(path)?.file;
    const file = this.acquire(path, known?.settings ?? settings);
    try {
      return await use(file);
    } finally {
      this.release(file);
    }
  }

  #tick(): void {
    if (!existsSync(this.#runtimeDir)) return this.#exit();
    const names = new Set(listNames(this.#runsDir));
    for (const name of names) this.#look(name);
    for (const name of this.#runs.keys()) if (!names.has(name)) this.#drop(name);
    for (const { file, users } of this.#files.values()) {
      if (users === 0) this.#closeFile(file);
      else file.upkeep();
    }
    this.#total.upkeep();
    if (!this.#packer.busy) void this.#pack();
    if (!this.#watcher) this.#watch();
    this.#desk.look();
  }

  /** All that there is to pack, one after the other. Begun by the tick and not by a rotation, so that a flood does not have its files packed as fast as they go. */
  async #pack(): Promise<void> {
    for (;;) {
      const next = this.#nextToPack();
      if (!next) return;
      if (await this.#packer.pack(next.order)) next.file.packed();
    }
  }

  #nextToPack(): { file: LogFile; order: PackOrder } | undefined {
    for (const file of [...this.#files.values().map(({ file }) => file), ...this.#closed]) {
      const order = file.nextToPack();
      if (order) return { file, order };
    }
    this.#closed.clear();
    return undefined;
  }

  #look(name: string): void {
    const run = this.#runs.get(name) ?? new RunOutput(join(this.#runsDir, name), this);
    this.#runs.set(name, run);
    run.look();
  }

  #drop(name: string): void {
    const run = this.#runs.get(name);
    run?.close();
    this.#runs.delete(name);
    this.#pastBytes += run?.bytes ?? 0;
  }

  #watch(): void {
    try {
      this.#watcher = watch(this.#runsDir, (_, name) => {
        if (name === null) this.#tick();
        else if (existsSync(join(this.#runsDir, name))) this.#look(name);
        else this.#drop(name);
      });
      this.#watcher.on("error", () => this.#unwatch());
    } catch {
      // Inotify is used up, or the directory is not there just now: the tick looks, and tries this again.
    }
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }
}

const nothing: LogCounters = { writtenBytes: 0, droppedBytes: 0, blockedMs: 0 };

function add(a: LogCounters, b: LogCounters): LogCounters {
  return { writtenBytes: a.writtenBytes + b.writtenBytes, droppedBytes: a.droppedBytes + b.droppedBytes, blockedMs: a.blockedMs + b.blockedMs };
}

function listNames(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // not there just now
  }
}
