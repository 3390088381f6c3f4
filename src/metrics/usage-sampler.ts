import { setTimeout as sleep } from "node:timers/promises";
import { shuttingDown } from "../errors.ts";
import { HostUsage } from "./host-usage.ts";
import { ProcessTrees } from "./process-trees.ts";
import { ProcessUsageReader } from "./process-usage.ts";
import { type Look, RunMeter } from "./run-meter.ts";
import { hostSubject, UsageHistory } from "./usage-history.ts";
import type { Usage } from "./usage-ring.ts";
import type { HostSample, MeasuredInstance, UsageSample } from "./usage-sample.ts";

const freshMs = 1000;
/** Open files and the kernel's peak of memory are looked at in each third sample, of a third of the runs. */
const closerLook = 3;
/** The peak of a run that has ended is asked for when its end is stored. */
const rememberedMs = 60_000;

export interface UsageSamplerOptions {
  /** The runs that are alive. */
  readonly list: () => readonly MeasuredInstance[];
  /** Monotonic milliseconds. */
  readonly intervalMs?: number;
  readonly now?: () => number;
  readonly wallTime?: () => number;
  /** Hears of every sample. */
  readonly onSample?: (sample: UsageSample) => void;
  /** Hears why a sample that nobody asked for could not be taken. */
  readonly onError?: (error: unknown) => void;
}

/**
 * Measures the host and every run five seconds after it did so last, or when asked to. Those who watch ask more often, so that somebody's looking, and not a
 * second timer, is what makes samples come faster.
 */
export class UsageSampler {
  readonly history = new UsageHistory();
  readonly #list: () => readonly MeasuredInstance[];
  readonly #intervalMs: number;
  readonly #now: () => number;
  readonly #wallTime: () => number;
  readonly #onSample: (sample: UsageSample) => void;
  readonly #onError: (error: unknown) => void;
  readonly #host = new HostUsage();
  readonly #trees = new ProcessTrees();
  readonly #processes = new ProcessUsageReader();
  readonly #meters = new Map<string, RunMeter>();
  readonly #closing = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #newest: { readonly takenAt: number; readonly sample: UsageSample } | undefined;
  #inFlight: Promise<UsageSample> | undefined;
  #samples = 0;

  constructor({
    list,
    intervalMs = 5000,
    now = () => performance.now(),
    wallTime = Date.now,
    onSample = () => {},
    onError = () => {},
  }: UsageSamplerOptions) {
    this.#list = list;
    this.#intervalMs = intervalMs;
    this.#now = now;
    this.#wallTime = wallTime;
    this.#onSample = onSample;
    this.#onError = onError;
  }

  /** From now on samples are taken without being asked for. */
  start(): void {
    this.#wake();
  }

  /** The newest sample, or a new one when that is older than a second. */
  sample(): Promise<UsageSample> {
    return this.#freshest(freshMs);
  }

  /** Each is taken when the reader is ready for it: a slow reader gets fewer, never older ones. Ends when the signal or the sampler does. */
  async *watch(everyMs: number, signal: AbortSignal): AsyncGenerator<UsageSample, void> {
    const ended = AbortSignal.any([signal, this.#closing.signal]);
    for (let due = this.#now(); await waitedFor(due - this.#now(), ended); due = Math.max(due + everyMs, this.#now())) {
      // Watchers who come at about the same time share a sample.
      const sample = await this.#freshest(Math.min(everyMs, freshMs) / 2);
      if (ended.aborted) return;
      yield sample;
    }
  }

  /** The most memory that the run was seen to have, until a minute after its end; 0 for one that no sample has met. */
  peakMemory(runId: string): number {
    return this.#meters.get(runId)?.peakMemoryBytes ?? 0;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    clearTimeout(this.#timer);
    await this.#inFlight?.catch(this.#onError);
    this.#processes.close();
  }

  #wake(): void {
    clearTimeout(this.#timer);
    if (this.#closing.signal.aborted) return;
    this.#timer = setTimeout(() => {
      this.#freshest(0).catch((error) => {
        this.#onError(error);
        this.#wake();
      });
    }, this.#intervalMs);
  }

  async #freshest(maxAgeMs: number): Promise<UsageSample> {
    if (this.#closing.signal.aborted) throw shuttingDown();
    if (this.#newest && this.#now() - this.#newest.takenAt <= maxAgeMs) return this.#newest.sample;
    this.#inFlight ??= this.#take().finally(() => {
      this.#inFlight = undefined;
    });
    return this.#inFlight;
  }

  async #take(): Promise<UsageSample> {
    const time = { now: this.#now(), at: this.#wallTime() };
    const host = this.#host.read();
    const looks = this.#lookAtRuns(time.now);
    const alone = looks.flatMap(({ look }) => (look.cpuMs === undefined || look.memoryBytes === undefined ? look.pids : []));
    const usages = await this.#processes.read(alone);
    const instances = looks.map(({ measured, meter, look }) => meter.sample(measured, look, usages, time.now));
    const sample = { at: time.at, host, instances };
    this.#newest = { takenAt: time.now, sample };
    this.#record(sample);
    this.#onSample(sample);
    if (this.#timer) this.#wake();
    return sample;
  }

  #lookAtRuns(now: number): { measured: MeasuredInstance; meter: RunMeter; look: Look }[] {
    const list = this.#list();
    const trees = this.#trees.find(new Map(list.filter(({ cgroup, pid }) => cgroup === undefined && pid > 0).map(({ pid, runId }) => [pid, runId])));
    this.#samples++;
    const looks = list.flatMap((measured, i) => {
      const meter = this.#meterOf(measured, now);
      const look = meter.look(trees.get(measured.runId) ?? []);
      if (!look) return [];
      if (meter.isNew || (this.#samples + i) % closerLook === 0) meter.lookCloser(look);
      return [{ measured, meter, look }];
    });
    for (const [runId, meter] of this.#meters) if (meter.lastSeenAt < now - rememberedMs) this.#meters.delete(runId);
    return looks;
  }

  #meterOf(measured: MeasuredInstance, now: number): RunMeter {
    let meter = this.#meters.get(measured.runId);
    if (!meter) {
      meter = new RunMeter(measured);
      this.#meters.set(measured.runId, meter);
    }
    meter.lastSeenAt = now;
    return meter;
  }

  #record({ at, host, instances }: UsageSample): void {
    this.history.record(hostSubject, at, hostUsageOf(host));
    for (const usage of instances) this.history.record(usage.instance, at, usage);
    this.history.forgetGone(at);
  }
}

function hostUsageOf({ cpuPercent, memoryUsedBytes }: HostSample): Usage {
  const usage = { memoryBytes: memoryUsedBytes, pids: 0 };
  return cpuPercent === undefined ? usage : { ...usage, cpuPercent };
}

/** False when it was ended before. */
async function waitedFor(ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false;
  if (ms <= 0) return true;
  return sleep(ms, true, { signal }).catch(() => false);
}
