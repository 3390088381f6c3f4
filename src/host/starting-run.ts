import type { ProcessSpec } from "../core/spec.ts";
import type { CommandLimits, CommandOutcome, LiveRun } from "../supervisor/host.ts";
import type { PosixRun } from "./posix-run.ts";

/** Stands for a run whose directory is still being made, and hands on to it. */
export class StartingRun implements LiveRun {
  readonly id: string;
  readonly startedAt: number;
  port = 0;
  cancelled = false;
  #run: PosixRun | undefined;
  #asked: ProcessSpec | undefined;
  readonly #drained = Promise.withResolvers<void>();

  constructor(id: string, startedAt: number) {
    this.id = id;
    this.startedAt = startedAt;
  }

  become(run: PosixRun): void {
    this.#run = run;
    this.#drained.resolve(run.drained);
    if (this.#asked) run.ask(this.#asked);
  }

  nothingToDrain(): void {
    this.#drained.resolve();
  }

  get drained(): Promise<void> {
    return this.#drained.promise;
  }

  get pid(): number | undefined {
    return this.#run?.pid;
  }

  get aliveMs(): number {
    return this.#run?.aliveMs ?? 0;
  }

  get shimLost(): boolean {
    return this.#run?.shimLost ?? false;
  }

  get cgroup(): string | undefined {
    return this.#run?.cgroup;
  }

  ask(process: ProcessSpec): void {
    if (this.#run) return this.#run.ask(process);
    this.#asked = process;
    this.cancelled = true;
  }

  signal(name: string, to: "main" | "group"): void {
    if (!this.#run) throw new Error("it has no process yet");
    this.#run.signal(name, to);
  }

  kill(): void {
    this.cancelled = true;
    this.#run?.kill();
  }

  pids(): number[] {
    return this.#run?.pids() ?? [];
  }

  runHelper(argv: readonly string[], process: ProcessSpec, timeoutMs: number): Promise<number> {
    if (!this.#run) return Promise.reject(new Error("it has no process yet"));
    return this.#run.runHelper(argv, process, timeoutMs);
  }

  runProbe(argv: readonly string[], process: ProcessSpec, limits: CommandLimits): Promise<CommandOutcome> {
    if (!this.#run) return Promise.reject(new Error("it has no process yet"));
    return this.#run.runProbe(argv, process, limits);
  }
}
