import { type ChildProcess, type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { Agent } from "node:http";
import { basename, join, resolve } from "node:path";
import type { Readable } from "node:stream";
import type { DescService } from "@bufbuild/protobuf";
import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { DaemonService } from "../../gen/pm/v1/daemon_service_pb.ts";
import { eventually } from "./eventually.ts";
import { type FoundProcess, findProcesses } from "./find-processes.ts";
import { numbersOf } from "./pid-namespace.ts";
import { type Outcome, type ProgramOptions, runProgram } from "./run-program.ts";
import { makeTempDir, type TempDir } from "./temp-dir.ts";

export interface DaemonOptions {
  /** More flags for pmd. */
  readonly args?: readonly string[];
  /** More variables for pmd. */
  readonly env?: Record<string, string>;
  /** A command that runs pmd, given as its last arguments, in some other surroundings. */
  readonly within?: readonly string[];
  /** A directory with programs that were built otherwise. */
  readonly programs?: string;
}

const built = process.env.PM_TEST_PROGRAMS;
const pmdFromSource = [process.execPath, resolve("src/main.ts")];
export const pmdCommand = (built ? [resolve(built, "pmd")] : pmdFromSource) as [string, ...string[]];
const pmctl = built ? resolve(built, "pmctl.js") : resolve("cli/main.ts");

/** A pmd of its own for one test, as it is published, or from source where nothing was built: `await using daemon = await startDaemon()`. */
export async function startDaemon(options: DaemonOptions = {}): Promise<TestDaemon> {
  const daemon = new TestDaemon(options);
  try {
    await daemon.start();
    return daemon;
  } catch (error) {
    await daemon.abandon();
    throw error;
  }
}

export class TestDaemon implements AsyncDisposable {
  readonly root: string;
  readonly stateDir: string;
  readonly runtimeDir: string;
  readonly logDir: string;
  /** The home directory of pmd, and so of its services, and of pmctl. */
  readonly home: string;
  readonly socket: string;
  readonly transport: Transport;
  /** Variables by which a program started by the test can be told from all others. pmd has them; a service has what its spec says. */
  readonly mark: { readonly PM_TEST_MARK: string };
  readonly #options: DaemonOptions;
  readonly #dir: TempDir = makeTempDir();
  readonly #logFile: string;
  #child: ChildProcess | undefined;
  /** The group that pmd keeps the groups of its runs in. */
  #cgroup: string | undefined;

  constructor(options: DaemonOptions) {
    this.#options = options;
    this.root = this.#dir.path;
    this.stateDir = join(this.root, "state");
    this.runtimeDir = join(this.root, "run");
    this.logDir = join(this.root, "logs");
    this.socket = join(this.runtimeDir, "pmd.sock");
    this.home = join(this.root, "home");
    mkdirSync(this.home);
    this.mark = { PM_TEST_MARK: this.root };
    this.#logFile = join(this.root, "pmd.log");
    // No connection outlives its call, so that what pmd does with open ones at its end is not part of every test.
    const nodeOptions = { socketPath: this.socket, agent: new Agent({ keepAlive: false }) };
    this.transport = createConnectTransport({ baseUrl: "http://pmd", httpVersion: "1.1", nodeOptions });
  }

  /** Its process. */
  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error("pmd is not running");
    return this.#child.pid;
  }

  /** pmd's own log. */
  get log(): string {
    return readIfThere(this.#logFile);
  }

  client<S extends DescService>(service: S): Client<S> {
    return createClient(service, this.transport);
  }

  /** Runs pmctl against this pmd, off the terminal, with a home directory of its own. */
  pmctl(args: readonly string[], options: ProgramOptions = {}): Promise<Outcome> {
    return this.run([process.execPath, pmctl, ...args], options);
  }

  /** The same for one that is to be read while it runs. */
  spawnPmctl(args: readonly string[]): ChildProcessByStdio<null, Readable, Readable> {
    const env = { ...this.#environment(), PMCTL_SOCK: this.socket };
    return spawn(process.execPath, [pmctl, ...args], { cwd: this.home, env, stdio: ["ignore", "pipe", "pipe"] });
  }

  /** Runs a program for which this pmd is the one that pmctl speaks to. */
  run(command: readonly [string, ...string[]], options: ProgramOptions = {}): Promise<Outcome> {
    const env = { ...this.#environment(), PMCTL_SOCK: this.socket, ...options.env };
    return runProgram(command, { cwd: this.home, ...options, env });
  }

  /** Resolves when it answers. It has the variables this time only. */
  async start(env: Record<string, string> = {}): Promise<void> {
    const dirs = ["--state-dir", this.stateDir, "--runtime-dir", this.runtimeDir, "--log-dir", this.logDir, "--socket", this.socket];
    const log = ["--log-file", this.#logFile, "--log-level", "debug"];
    const pmd = this.#options.programs ? [join(this.#options.programs, "pmd")] : pmdCommand;
    const command = [...(this.#options.within ?? []), ...pmd, ...dirs, ...log, ...(this.#options.args ?? [])];
    const child = spawn(command[0] ?? "", command.slice(1), {
      cwd: this.home,
      env: { ...this.#environment(), ...this.#options.env, ...env },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text) => {
      stderr += text;
    });
    this.#child = child;
    const ask = () => this.client(DaemonService).getInfo({}, { timeoutMs: 2000 });
    const answer = await eventually(async () => (hasEnded(child) ? "ended" : ask()));
    if (answer === "ended") throw new Error(`pmd ended before it answered\n${stderr}${this.log}`);
    const cgroups = answer.capabilities.find(({ id }) => id === "cgroup.kill");
    if (cgroups?.available) this.#cgroup = cgroups.detail;
  }

  /** Resolves with the signal or the code that it ended with, when it ends by itself. */
  async ended(): Promise<string | number | null> {
    const child = this.#child;
    await this.#ended();
    return child?.signalCode ?? child?.exitCode ?? null;
  }

  /** SIGKILL to pmd, and to nothing else. */
  async kill9(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Ends pmd as a service manager would: services run on. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** Stops every service, ends pmd and the pump, and fails if anything is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (!this.#child || hasEnded(this.#child)) await this.start();
      await this.client(DaemonService).shutdown({ stopServices: true }, { timeoutMs: 30_000 });
      await this.#ended();
      // The pump goes last: shims wait until it has taken everything.
      await eventually(() => {
        const left = this.#processes();
        const pump = Number(readIfThere(join(this.runtimeDir, "pump/pid")));
        // As it is called where it runs.
        if (left.every(({ pid }) => numbersOf(pid).at(-1) === pump)) signal(left, "SIGTERM");
        return left.length === 0;
      });
      if (this.#cgroup !== undefined && existsSync(this.#cgroup)) throw new Error(`${this.#cgroup} is still there`);
    } catch (error) {
      const left = this.#processes().map(({ pid, command }) => `  ${pid} ${command}`);
      const story = [`the test leaves something behind: ${error}`, ...left, this.log].join("\n");
      await this.abandon();
      throw new Error(story, { cause: error });
    }
    await this.#remove();
  }

  /** Ends whatever is left of it, without asking whether that is right. */
  async abandon(): Promise<void> {
    await eventually(() => {
      const left = this.#processes();
      signal(left, "SIGKILL");
      return left.length === 0;
    });
    await this.#remove();
  }

  async #remove(): Promise<void> {
    if (this.#cgroup !== undefined) removeEmptyCgroup(this.#cgroup);
    await this.#dir[Symbol.asyncDispose]();
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    process.kill(this.pid, signal);
    await this.#ended();
  }

  async #ended(): Promise<void> {
    if (this.#child && !hasEnded(this.#child)) await once(this.#child, "exit", { signal: AbortSignal.timeout(30_000) });
    this.#child = undefined;
  }

  #processes(): FoundProcess[] {
    return findProcesses(this.#cgroup === undefined ? [this.root] : [this.root, basename(this.#cgroup)]);
  }

  #environment(): Record<string, string> {
    const { PATH = "", LANG = "C.UTF-8" } = process.env;
    return { PATH, LANG, HOME: this.home, NO_COLOR: "1", ...this.mark };
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function signal(processes: readonly FoundProcess[], name: NodeJS.Signals): void {
  for (const { pid } of processes) {
    try {
      process.kill(pid, name);
    } catch {
      // It has ended since it was found.
    }
  }
}

function readIfThere(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

/** The next pmd would sweep these; a test has no next one. */
function removeEmptyCgroup(path: string): void {
  if (!existsSync(path)) return;
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) removeEmptyCgroup(join(path, entry.name));
  }
  rmdirSync(path);
}
