import type { ProcessSpec, ServiceSpec } from "../core/spec.ts";
import type { RunExit } from "../core/state.ts";

/** The operating system as the supervisor sees it. src/host implements it; test/support/fake-host.ts is a model of it with its own clock. */
export interface Host {
  /** Monotonic milliseconds. */
  now(): number;
  /** Wall clock, for people. */
  wallTime(): number;
  /** In [0, 1). */
  random(): number;
  /** Calls once after `ms`, however long; returns what cancels it. */
  after(ms: number, call: () => void): () => void;
  /** Says why a process of this kind could not be started now; undefined when nothing is in the way. */
  findObstacle(process: ProcessSpec): string | undefined;
  /** Starts a run. The listener hears of everything later, never before this has returned, and of a failed start as `gone`. */
  launch(order: LaunchOrder, listener: RunListener): LiveRun;
  /** Runs that an earlier pmd left, dead or alive. Each must be given a listener by `adopt`. */
  findRuns(): FoundRun[];
  adopt(found: FoundRun, listener: RunListener): LiveRun;
  /** The run's exit is stored: its directory goes as soon as its output has been taken. */
  forget(runId: string): void;
  /** The kernel's id of this boot. */
  readonly bootId: string;
}

/** What a run is started from; it is written into the run directory, so that the next pmd knows it too. */
export interface RunOrder {
  readonly runId: string;
  readonly namespace: string;
  readonly service: string;
  readonly index: number;
  readonly generation: number;
  /** Absolute. */
  readonly stdoutPath: string;
  readonly stderrPath: string;
  /** What the service was when the run was started, for a pmd that has lost its store. */
  readonly definition: { readonly spec: ServiceSpec; readonly source: string };
}

export interface LaunchOrder extends RunOrder {
  readonly instances: number;
  /** The ports that it may take, in this order; empty when it needs none. */
  readonly ports: readonly number[];
}

export interface FoundRun {
  readonly order: RunOrder;
  readonly startedAt: number;
}

export interface RunListener {
  spawned(pid: number): void;
  /** The main process has ended; others of the run are alive. */
  orphaned(): void;
  /** Nothing of the run is left. Called once, last. */
  gone(exit: RunExit): void;
}

/** One run that is being started, is alive, or is coming to its end. */
export interface LiveRun {
  readonly id: string;
  /** The main process, once it exists. */
  readonly pid: number | undefined;
  readonly startedAt: number;
  /** The port that it was given, once that is known; 0 when it needs none. */
  readonly port: number;
  /** For how long its main process has been there, whatever became of the wall clock meanwhile; 0 while it is not known. */
  readonly aliveMs: number;
  /** Its shim is gone while it lives: it runs on, and its exit status will not be known. */
  readonly shimLost: boolean;
  /** Resolves when nothing of it is left and everything that it wrote is in the log files. */
  readonly drained: Promise<void>;
  /** Asks it to end: its stop command, or its signal to the process group. Before the process exists it is asked as soon as it does. */
  ask(process: ProcessSpec): void;
  /** A signal to the main process or its group; an error says why it could not be sent. */
  signal(name: string, to: "main" | "group"): void;
  /** SIGKILL everything of the run. */
  kill(): void;
  /** Every process of the run that is alive. */
  pids(): number[];
  /** The directory of its cgroup, where there is one. */
  readonly cgroup: string | undefined;
  /** Runs a helper command in the run's environment, its output with the run's: resolves with its exit code. */
  runHelper(command: readonly string[], process: ProcessSpec, timeoutMs: number): Promise<number>;
  /** The same for a question: its output is the answer, and everything that it has started is gone when this resolves. */
  runProbe(command: readonly string[], process: ProcessSpec, limits: CommandLimits): Promise<CommandOutcome>;
}

export interface CommandLimits {
  /** It is ended when this is aborted. */
  readonly signal: AbortSignal;
  /** So much of its output is kept. */
  readonly outputBytes: number;
}

/** How a command went that was run for its answer. */
export interface CommandOutcome {
  readonly end: "exited" | "killed" | "aborted";
  /** Of one that exited. */
  readonly code: number;
  /** Of one that was killed. */
  readonly signal: string;
  /** The beginning of what it printed, on both streams. */
  readonly output: string;
}
