import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { LogSettings } from "../../src/core/spec.ts";
import type { LogStreamRef } from "../../src/logs/log-stream.ts";
import { pumpStatus } from "../../src/logs/pump-client.ts";
import { eventually } from "./eventually.ts";
import { findProcesses } from "./find-processes.ts";
import { logFiles } from "./log-content.ts";
import { plainSettings } from "./log-settings.ts";
import { makeTempDir, type TempDir } from "./temp-dir.ts";

// What the pump needs of a shim, and no more.
const shim = `
  d=$1; shift
  exec 3<>"$d/out" 4<>"$d/err" 5<>"$d/ack" </dev/null >/dev/null 2>&1
  printf '%s\\n' "$$" >"$d/shim"
  sh -c 'd=$1; shift; exec 1<>"$d/out" 2<>"$d/err" 3>&- 4>&- 5>&-; echo "$$" >"$d/pid"; exec "$@"' sh "$d" "$@"
  printf '%s\\n' "$?" >"$d/exit"
  while ! read -r _ <&5; do :; done`;

export const pumpProgram = resolve("src/pump/main.ts");

/** A runtime directory with runs in it, and a pump that can be killed. */
export class PumpRig implements AsyncDisposable {
  readonly #dir: TempDir = makeTempDir();
  readonly runtimeDir = join(this.#dir.path, "run");
  /** May be mounted over. */
  readonly logDir = join(this.#dir.path, "logs");
  #pump: ChildProcess | undefined;
  #runs = 0;

  constructor() {
    mkdirSync(join(this.runtimeDir, "runs"), { recursive: true });
    mkdirSync(join(this.runtimeDir, "spare"));
    mkdirSync(this.logDir);
  }

  get root(): string {
    return this.#dir.path;
  }

  spawnPump(env: Record<string, string> = {}): ChildProcess {
    return spawn(process.execPath, [pumpProgram, "--runtime-dir", this.runtimeDir], {
      env: { ...process.env, ...env },
      detached: true,
      stdio: ["ignore", "ignore", "inherit"],
    });
  }

  /** Resolves when it is at work. */
  async startPump(): Promise<ChildProcess> {
    const pump = this.spawnPump();
    this.#pump = pump;
    await eventually(async () => (await pumpStatus(this.runtimeDir))?.pid === pump.pid);
    return pump;
  }

  async endPump(signal: NodeJS.Signals): Promise<void> {
    const pump = this.#pump;
    if (!pump) return;
    const ended = pump.exitCode === null && pump.signalCode === null ? once(pump, "exit") : undefined;
    pump.kill(signal);
    await ended;
  }

  startRun(script: string, { name = "web", ...settings }: Partial<LogSettings> & { name?: string } = {}): TestRun {
    const runId = `run${++this.#runs}`;
    const directory = join(this.runtimeDir, "runs", runId);
    const spare = join(this.runtimeDir, "spare", runId);
    const run = new TestRun(directory, join(this.logDir, name));
    mkdirSync(spare);
    execFileSync(
      "mkfifo",
      ["out", "err", "ack"].map((fifo) => join(spare, fifo)),
    );
    writeFileSync(
      join(spare, "spec.json"),
      JSON.stringify({ runId, logs: { stdout: run.out, stderr: run.err, settings: { ...plainSettings, ...settings } } }),
    );
    renameSync(spare, directory);
    spawn("/bin/sh", ["-c", shim, "sh", directory, "sh", "-c", script], { detached: true, stdio: "ignore" }).unref();
    return run;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const left = () => findProcesses([this.root]);
    await eventually(() => {
      for (const { pid } of left()) kill(pid);
      return left().length === 0;
    });
    await this.#dir[Symbol.asyncDispose]();
  }
}

export class TestRun {
  readonly directory: string;
  readonly out: string;
  readonly err: string;

  constructor(directory: string, logDir: string) {
    this.directory = directory;
    this.out = join(logDir, "out.log");
    this.err = join(logDir, "err.log");
  }

  get sources(): LogStreamRef[] {
    return [
      { instance: "default/web#0", stream: "stdout", path: this.out },
      { instance: "default/web#0", stream: "stderr", path: this.err },
    ];
  }

  has(file: string): boolean {
    return existsSync(join(this.directory, file));
  }

  read(file: string): string {
    return readFileSync(join(this.directory, file), "utf8");
  }

  get exitStatus(): string | undefined {
    return this.has("exit") && this.read("exit").endsWith("\n") ? this.read("exit").trim() : undefined;
  }

  shimIsAlive(): boolean {
    return findProcesses([this.directory]).some(({ pid }) => pid === Number(this.read("shim")));
  }

  /** Nobody holds its FIFOs, and everything of it is in the files. */
  async ended(timeoutMs = 20_000): Promise<void> {
    await eventually(() => this.has("out.eof") && this.has("err.eof"), { timeoutMs });
  }

  /** Bytes of its stdout in all files. */
  writtenBytes(): number {
    return existsSync(this.out) ? logFiles(this.out).reduce((sum, file) => sum + (existsSync(file) ? statSync(file).size : 0), 0) : 0;
  }

  kill(): void {
    process.kill(Number(this.read("pid")), "SIGKILL");
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended since it was found.
  }
}
