import type { ProcessSpec } from "../../src/core/spec.ts";
import type { RunExit } from "../../src/core/state.ts";
import type { CommandOutcome, FoundRun, Host, LaunchOrder, LiveRun, RunListener } from "../../src/supervisor/host.ts";

/** A model of the operating system with its own clock: nothing happens until the test says so. */
export class FakeHost implements Host {
  readonly bootId = "boot-1";
  /** Every run that was ever started, oldest first. */
  readonly launched: FakeRun[] = [];
  readonly forgotten: string[] = [];
  obstacle: string | undefined;
  /** What a newly started run does by itself. */
  onLaunch: (run: FakeRun) => void = (run) => run.spawn();
  found: FoundRun[] = [];
  #now = 0;
  #timers = new Set<{ at: number; call: () => void }>();

  now(): number {
    return this.#now;
  }

  wallTime(): number {
    return 1_700_000_000_000 + this.#now;
  }

  random(): number {
    return 0.5;
  }

  after(ms: number, call: () => void): () => void {
    const timer = { at: this.#now + ms, call };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Lets time pass, timer by timer, and whatever waits for each of them run. */
  async pass(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (;;) {
      await settled();
      const next = [...this.#timers].sort((a, b) => a.at - b.at)[0];
      if (!next || next.at > until) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.call();
    }
    this.#now = until;
  }

  get timers(): number {
    return this.#timers.size;
  }

  /** Runs of which something is alive. */
  get alive(): FakeRun[] {
    return this.launched.filter((run) => run.alive);
  }

  get newest(): FakeRun {
    const run = this.launched.at(-1);
    if (!run) throw new Error("nothing was launched");
    return run;
  }

  findObstacle(): string | undefined {
    return this.obstacle;
  }

  launch(order: LaunchOrder, listener: RunListener): LiveRun {
    const run = new FakeRun(this, { order, listener, startedAt: this.wallTime(), number: this.launched.length + 100 });
    this.launched.push(run);
    queueMicrotask(() => this.onLaunch(run));
    return run;
  }

  findRuns(): FoundRun[] {
    return this.found;
  }

  adopt({ order, startedAt }: FoundRun, listener: RunListener): LiveRun {
    const run = new FakeRun(this, { order: order as LaunchOrder, listener, startedAt, number: this.launched.length + 100 });
    this.launched.push(run);
    queueMicrotask(() => this.onLaunch(run));
    return run;
  }

  forget(runId: string): void {
    this.forgotten.push(runId);
  }
}

export class FakeRun implements LiveRun {
  readonly id: string;
  readonly order: LaunchOrder;
  readonly startedAt: number;
  readonly shimLost = false;
  readonly cgroup = undefined;
  readonly port = 0;
  readonly drained = Promise.resolve();
  readonly sent: string[] = [];
  alive = true;
  /** What it does when it is asked to end or killed. */
  onAsk: () => void = () => this.end({ status: 143, signal: "SIGTERM" });
  onKill: () => void = () => this.end({ status: 137, signal: "SIGKILL" });
  pid: number | undefined;
  readonly #host: FakeHost;
  readonly #listener: RunListener;
  readonly #number: number;

  constructor(
    host: FakeHost,
    { order, listener, startedAt, number }: { order: LaunchOrder; listener: RunListener; startedAt: number; number: number },
  ) {
    this.#host = host;
    this.id = order.runId;
    this.order = order;
    this.startedAt = startedAt;
    this.#listener = listener;
    this.#number = number;
  }

  get aliveMs(): number {
    return this.#host.wallTime() - this.startedAt;
  }

  spawn(): void {
    this.pid = this.#number;
    this.#listener.spawned(this.#number);
  }

  /** The main process ends, and something of it stays. */
  orphan(): void {
    this.#listener.orphaned();
  }

  end(exit: Partial<RunExit> = {}): void {
    if (!this.alive) return;
    this.alive = false;
    this.#listener.gone({ kind: "ended", endedAt: 0, uptimeMs: 0, ...exit });
  }

  ask(_process: ProcessSpec): void {
    this.sent.push("ask");
    queueMicrotask(() => this.onAsk());
  }

  signal(name: string, to: "main" | "group"): void {
    this.sent.push(`${name} ${to}`);
  }

  kill(): void {
    this.sent.push("kill");
    queueMicrotask(() => this.onKill());
  }

  pids(): number[] {
    return this.alive && this.pid !== undefined ? [this.pid] : [];
  }

  runHelper(command: readonly string[]): Promise<number> {
    this.sent.push(`helper ${command.join(" ")}`);
    return Promise.resolve(0);
  }

  runProbe(command: readonly string[]): Promise<CommandOutcome> {
    this.sent.push(`probe ${command.join(" ")}`);
    return Promise.resolve({ end: "exited", code: 0, signal: "", output: "" });
  }
}

/** What was waiting for promises has run. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}
