import type { Verdict } from "../core/dependencies.ts";
import { displayName, serviceOf } from "../core/names.ts";
import { isCrashLoop } from "../core/restart.ts";
import type { ProcessSpec, ServiceSpec } from "../core/spec.ts";
import {
  type Context,
  type Effect,
  type EndCause,
  type InstanceEvent,
  type InstanceModel,
  initialModel,
  type RunExit,
  type UnfitCause,
} from "../core/state.ts";
import { transition } from "../core/transition.ts";
import { failpoint } from "../failpoint.ts";
import { conditionsOf, type InstanceFacts } from "./conditions.ts";
import type { EventLog } from "./event-log.ts";
import { describeExit, exitRecord } from "./exit-record.ts";
import type { FoundRun, Host, LaunchOrder, LiveRun, RunListener } from "./host.ts";
import { type HealthOwner, InstanceHealth } from "./instance-health.ts";
import type { Prober } from "./prober.ts";
import type { StartGate } from "./start-gate.ts";
import { restingOf, stateEvents } from "./state-events.ts";
import type { Store, StoredExit } from "./store.ts";
import type { InstanceView, StateWord } from "./view.ts";
import { Wake } from "./wake.ts";

/** What an instance needs of its surroundings. */
export interface InstanceParts {
  readonly host: Host;
  readonly prober: Prober;
  readonly store: Store;
  readonly events: EventLog;
  readonly gate: StartGate<Instance>;
  readonly dependencies: InstanceDependencies;
  /** The most memory that a run was seen to use. */
  readonly peakMemoryBytes: (runId: string) => number;
  /** The last lines that a run wrote, once they are in its files. */
  readonly lastLines: (order: LaunchOrder) => Promise<string[]>;
  readonly changed: (instance: Instance) => void;
  /** Ports that belong to others than this service, whether they run or not. */
  readonly portsOfOthers: (service: string) => ReadonlySet<number>;
}

/** What others, that its service depends on or that depend on it, mean for it. */
export interface InstanceDependencies {
  mayStart(service: string): Verdict;
  /** It is to be stopped or restarted when others are gone. */
  isLeaving(instance: Instance): boolean;
}

/** What it is told about itself each time anew, since its service may change. */
export interface InstanceOrders {
  readonly spec: ServiceSpec;
  readonly generation: number;
  /** Runs from before this generation run something else than the spec says now. */
  readonly processGeneration: number;
  launchOrder(index: number): LaunchOrder;
}

/** A run that has a process, for whoever measures it. */
export interface MeasuredRun {
  readonly instance: string;
  readonly runId: string;
  readonly pid: number;
  readonly cgroup: string | undefined;
  readonly aliveMs: number;
  readonly restarts: number;
}

interface CurrentRun {
  readonly live: LiveRun;
  readonly order: LaunchOrder;
  readonly adopted: boolean;
  stored: boolean;
  /** Why it is unfit. */
  complaint?: string;
}

/** How long the last lines of a run are waited for: a pump that is just being started has them soon. */
const lastLinesMs = 5000;

/** One slot of a service, and the only writer of its state. */
export class Instance implements HealthOwner {
  /** In full: `default/web#1`. */
  readonly name: string;
  readonly index: number;
  readonly changes = new Wake();
  readonly #parts: InstanceParts;
  readonly #orders: () => InstanceOrders;
  #model: InstanceModel = initialModel;
  #stateSince: number;
  #run: CurrentRun | undefined;
  readonly #health: InstanceHealth;
  #lastExit: StoredExit | undefined;
  #lastWords: Promise<StoredExit | undefined> = Promise.resolve(undefined);
  #cancelDeadline: () => void = () => undefined;
  #crashLoopSince: number | undefined;
  #nextStartAt: number | undefined;
  /** What it was said to wait for. */
  #toldReason = "";

  constructor(name: string, index: number, parts: InstanceParts, orders: () => InstanceOrders) {
    this.name = name;
    this.index = index;
    this.#parts = parts;
    this.#orders = orders;
    this.#stateSince = parts.host.wallTime();
    this.#health = new InstanceHealth(parts, this);
    this.watchHealth();
  }

  get model(): InstanceModel {
    return this.#model;
  }

  get run(): LiveRun | undefined {
    return this.#run?.live;
  }

  get lastExit(): StoredExit | undefined {
    return this.#lastExit;
  }

  /** The last exit, as soon as it is complete with what was said last. */
  get lastWords(): Promise<StoredExit | undefined> {
    return this.#lastWords;
  }

  /** The only place where state changes: decide, remember, re-arm, act, tell. */
  dispatch(event: InstanceEvent): void {
    const { host, gate } = this.#parts;
    const before = this.#model;
    const [next, effects] = transition(before, event, this.#context());
    for (const effect of next === before ? effects : []) this.#perform(effect);
    if (next === before) return;
    this.#model = next;
    this.#cancelDeadline();
    this.#cancelDeadline = () => undefined;
    if ("deadline" in next.state) {
      const delay = Math.max(0, next.state.deadline - host.now());
      this.#cancelDeadline = host.after(delay, () => this.dispatch({ type: "timeout" }));
      this.#nextStartAt = host.wallTime() + delay;
    }
    if (next.state.phase === "waiting" && this.verdict.type === "go") gate.wait(this);
    else if (next.state.phase === "starting" && !next.state.alive) gate.enter(this);
    else gate.leave(this);
    // What is being ended is not asked how it is.
    if (next.state.phase !== "starting" && next.state.phase !== "running") this.#health.end();
    for (const effect of effects) this.#perform(effect);
    this.#tell(before);
  }

  /** Its service may have other checks now. */
  watchHealth(): void {
    this.#health.fit();
  }

  get spec(): ServiceSpec {
    return this.#orders().spec;
  }

  get probed(): HealthOwner["probed"] {
    const run = this.#run;
    if (run?.live.pid === undefined || !this.up) return undefined;
    return { live: run.live, order: run.order, adopted: run.adopted, process: this.#process() };
  }

  healthChanged(): void {
    this.#changed();
  }

  endUnhealthy(complaint: string): void {
    this.#endUnfit("unhealthy", complaint);
  }

  /** Its processes together use so much. */
  seeMemory(runId: string, memoryBytes: number): void {
    const { restartAboveBytes } = this.#orders().spec;
    if (restartAboveBytes === undefined || memoryBytes <= restartAboveBytes || this.#run?.order.runId !== runId) return;
    this.#endUnfit("memory_limit", `its processes used ${mebibytes(memoryBytes)}, and restart_above is ${mebibytes(restartAboveBytes)}`);
  }

  /** What it depends on has changed: if it waits, it goes on or says what it waits for now. */
  reconsider(): void {
    if (this.#model.state.phase !== "waiting") return;
    const { gate } = this.#parts;
    if (this.verdict.type === "go") gate.wait(this);
    else gate.leave(this);
    if (this.stateReason !== this.#toldReason) this.#changed();
  }

  /** Takes over a run that an earlier pmd started. */
  adopt(found: FoundRun): void {
    const { host, store, gate } = this.#parts;
    const { spec } = this.#orders();
    const known = store.findRun(found.order.runId);
    const order = { ...this.#orders().launchOrder(this.index), ...found.order };
    // It has been alive for a while: what is left of the time until it counts as running may be nothing.
    this.#model = { ...initialModel, state: { phase: "starting", alive: false, deadline: host.now() + spec.start.timeoutMs } };
    this.#stateSince = found.startedAt;
    this.#cancelDeadline = host.after(spec.start.timeoutMs, () => this.dispatch({ type: "timeout" }));
    gate.enter(this);
    this.#run = { order, adopted: true, stored: known !== undefined, live: host.adopt(found, this.#listener(order)) };
  }

  /** Comes to rest where it was before pmd was started again. */
  restore(phase: "exited" | "failed", reason: string): void {
    this.#model = { ...initialModel, state: phase === "failed" ? { phase, reason } : { phase } };
  }

  rememberExit(exit: StoredExit): void {
    this.#lastExit = exit;
  }

  /** Nothing may call it any more. */
  close(): void {
    this.#health.end();
    this.#cancelDeadline();
    this.#parts.gate.leave(this);
  }

  get state(): StateWord {
    const { state } = this.#model;
    if (state.phase === "starting" && this.#run?.adopted && !state.alive) return "unknown";
    return state.phase;
  }

  /** It can do its work: it runs and, where there is a check of that, it is healthy. */
  get ready(): boolean {
    return this.#model.state.phase === "running" && this.#health.isReady;
  }

  /** Why it is not ready though it runs: what its check was told last. */
  get complaint(): string | undefined {
    return this.#health.complaint;
  }

  /** Whether it may start, as far as other services are concerned. */
  get verdict(): Verdict {
    return this.#parts.dependencies.mayStart(serviceOf(this.name));
  }

  /** It is to be stopped or restarted as soon as those that depend on it are gone. */
  get leaving(): boolean {
    return this.#parts.dependencies.isLeaving(this);
  }

  /** Something of it may be alive. */
  get hasRun(): boolean {
    return this.#run !== undefined;
  }

  /** It is there or is being started, and not on its way out. */
  get up(): boolean {
    const { phase } = this.#model.state;
    return phase === "starting" || phase === "running";
  }

  /** Its process is there, and not on its way out. */
  get alive(): boolean {
    const { state } = this.#model;
    return state.phase === "running" || (state.phase === "starting" && state.alive);
  }

  /** It was told to end, and there is hope that it does. */
  get ending(): boolean {
    const { state } = this.#model;
    return state.phase === "stopping" && state.kills <= 1;
  }

  get aliveMs(): number {
    return this.#run?.live.aliveMs ?? 0;
  }

  /** Why it is in this state, where there is something to say. */
  get stateReason(): string {
    const { state } = this.#model;
    if (state.phase === "failed") return state.reason;
    if (state.phase !== "waiting") return "";
    const { verdict } = this;
    return verdict.type === "go" ? "waits for its turn: others are being started" : verdict.reason;
  }

  /** Nothing of it is alive, and nothing will be by itself. */
  get atRest(): boolean {
    const { phase } = this.#model.state;
    return phase === "stopped" || phase === "exited" || phase === "failed";
  }

  /** It has a run that is older than what the spec says now. */
  get stale(): boolean {
    return this.#run !== undefined && this.#run.order.generation < this.#orders().processGeneration;
  }

  get measured(): MeasuredRun | undefined {
    const live = this.#run?.live;
    if (live?.pid === undefined) return undefined;
    const { id, pid, cgroup, aliveMs } = live;
    return { instance: this.name, runId: id, pid, cgroup, aliveMs, restarts: this.#model.restarts };
  }

  view(): InstanceView {
    const { state, restarts } = this.#model;
    const run = this.#run;
    return {
      name: this.name,
      index: this.index,
      state: this.state,
      ready: this.ready,
      ...this.#health.view(),
      restarts,
      stateReason: this.stateReason,
      stateSince: this.#stateSince,
      conditions: conditionsOf(this.#facts()),
      ...(run && {
        run: {
          id: run.live.id,
          pid: run.live.pid ?? 0,
          startedAt: run.live.startedAt,
          adopted: run.adopted,
          generation: run.order.generation,
          port: run.live.port,
        },
      }),
      ...(this.#lastExit && { lastExit: this.#lastExit }),
      ...(state.phase === "backoff" && this.#nextStartAt !== undefined && { nextStartAt: this.#nextStartAt }),
    };
  }

  #context(): Context {
    const { host, gate } = this.#parts;
    const { spec } = this.#orders();
    const provided = this.verdict.type === "go";
    return {
      now: host.now(),
      clear: provided && gate.open,
      provided,
      random: host.random(),
      restart: spec.restart,
      settleMs: this.#settleMs(spec),
      startTimeoutMs: spec.start.timeoutMs,
      graceMs: spec.process.stop.graceMs,
    };
  }

  #settleMs({ start }: ServiceSpec): number {
    if (!this.#run?.adopted) return start.settleMs;
    return Math.max(0, start.settleMs - this.#run.live.aliveMs);
  }

  #perform(effect: Effect): void {
    switch (effect.type) {
      case "spawn":
        return this.#spawn();
      case "ask":
        return this.#run?.live.ask(this.#process());
      case "kill":
        return this.#run?.live.kill();
    }
  }

  #spawn(): void {
    const order = this.#orders().launchOrder(this.index);
    this.#run = { order, adopted: false, stored: false, live: this.#parts.host.launch(order, this.#listener(order)) };
  }

  /** Bound to one run: what comes late from an old one cannot touch the next. */
  #listener(order: LaunchOrder): RunListener {
    const ifCurrent = (act: () => void) => () => {
      if (this.#run?.order === order) act();
    };
    return {
      spawned: (pid) => ifCurrent(() => this.#spawned(pid))(),
      orphaned: ifCurrent(() => this.dispatch({ type: "orphaned" })),
      gone: (exit) => ifCurrent(() => this.#gone(exit))(),
    };
  }

  #spawned(pid: number): void {
    const run = this.#run;
    if (!run) return;
    this.#storeRun(pid);
    const adopted = { type: "run_adopted", message: `${displayName(this.name)} was found running (pid ${pid})` } as const;
    const started = { type: "run_started", message: `${displayName(this.name)} was started (pid ${pid})` } as const;
    this.#parts.events.append({ ...(run.adopted ? adopted : started), subject: this.name, runId: run.order.runId, attributes: { pid: String(pid) } });
    this.dispatch({ type: "spawned" });
    this.#parts.gate.leave(this);
    this.#health.begin();
    this.#changed();
  }

  #gone(exit: RunExit): void {
    const run = this.#run;
    if (!run) return;
    const { store, events, peakMemoryBytes } = this.#parts;
    const { order, live } = run;
    if (!run.stored) this.#storeRun(live.pid ?? 0);
    const record = exitRecord(exit, { cause: this.#cause(), complaint: run.complaint }, peakMemoryBytes(order.runId));
    this.#lastExit = record;
    // Of a run that was found, the end may be stored already: by the pmd that was killed before it could let the run go.
    if (!run.adopted || store.findRun(order.runId)?.end === undefined) {
      store.endRun(order.runId, record);
      const message = `${displayName(this.name)} ${describeExit(record)}`;
      events.append({ type: "run_ended", subject: this.name, runId: order.runId, message, exit: record, attributes: { cause: record.cause } });
    }
    failpoint("end.recorded");
    this.#run = undefined;
    this.#lastWords = this.#completeExit(order, live, record);
    this.#forgetWhenStored(order.runId);
    this.dispatch({ type: "gone", exit });
  }

  /** The run directory is the only other place that knows how it ended: it goes when the end is on disk, and not before. */
  #forgetWhenStored(runId: string): void {
    const { host, store } = this.#parts;
    store.flushed().then(
      () => {
        failpoint("end.stored");
        host.forget(runId);
      },
      () => undefined, // never rejected
    );
  }

  /** What it said last is known only when the pump has taken all of it; the machine does not wait for that. */
  async #completeExit(order: LaunchOrder, live: LiveRun, record: StoredExit): Promise<StoredExit> {
    const { host, store, lastLines } = this.#parts;
    await Promise.race([live.drained, new Promise<void>((resolve) => host.after(lastLinesMs, resolve))]);
    // Logs that cannot be read now cost the words, and nothing else.
    const lines = await lastLines(order).catch(() => []);
    if (lines.length === 0) return record;
    const complete = { ...record, lastLines: lines };
    store.completeRun(order.runId, complete);
    if (this.#lastExit === record) this.#lastExit = complete;
    this.#changed();
    return complete;
  }

  #storeRun(pid: number): void {
    const run = this.#run;
    if (!run) return;
    const { runId, namespace, service, index, generation } = run.order;
    this.#parts.store.beginRun({ id: runId, namespace, service, index, generation, pid, startedAt: run.live.startedAt });
    run.stored = true;
    failpoint("start.recorded");
  }

  #endUnfit(cause: UnfitCause, complaint: string): void {
    if (this.#run) this.#run.complaint ??= complaint;
    this.dispatch({ type: "unfit", cause });
  }

  /** Why the supervisor ended it, if it did. */
  #cause(): EndCause | undefined {
    const { state } = this.#model;
    return state.phase === "stopping" ? state.cause : undefined;
  }

  #process(): ProcessSpec {
    return (this.#run?.order.definition.spec ?? this.#orders().spec).process;
  }

  #tell(before: InstanceModel): void {
    const { state } = this.#model;
    const { host, events, store } = this.#parts;
    for (const event of stateEvents(this.name, before.state, state, () => this.survivors())) events.append(event);
    if (before.state.phase !== state.phase) {
      this.#stateSince = host.wallTime();
      store.saveResting(this.name, restingOf(state, host.bootId));
    }
    this.#noteCrashLoop();
    this.#changed();
  }

  #noteCrashLoop(): void {
    const looping = isCrashLoop(this.#model.ends, this.#parts.host.now());
    if (looping && this.#crashLoopSince === undefined) {
      this.#crashLoopSince = this.#parts.host.wallTime();
      this.#parts.events.append({ type: "crash_loop", subject: this.name, message: `${displayName(this.name)} keeps ending` });
    }
    if (!looping) this.#crashLoopSince = undefined;
  }

  /** What is left of it after it was killed. */
  survivors(): number[] {
    return this.#run?.live.pids() ?? [];
  }

  #facts(): InstanceFacts {
    const { state, ends } = this.#model;
    const run = this.#run;
    const looping = isCrashLoop(ends, this.#parts.host.now());
    return {
      stateSince: this.#stateSince,
      stale: this.stale,
      adopted: run?.adopted ?? false,
      shimLost: run?.live.shimLost ?? false,
      survivors: state.phase === "stopping" && state.kills > 1 ? this.survivors() : [],
      ...(looping && this.#crashLoopSince !== undefined && { crashLoopSince: this.#crashLoopSince }),
      ...(this.#lastExit?.cause === "oom" && { oomKilledAt: this.#lastExit.endedAt }),
      ...(run && { startedAt: run.live.startedAt }),
    };
  }

  #changed(): void {
    this.#toldReason = this.stateReason;
    this.changes.notify();
    this.#parts.changed(this);
  }
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
}
