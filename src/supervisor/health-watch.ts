import { firstProbeMs, type Health, type HealthWord, initialHealth, judge, nextProbeMs } from "../core/health.ts";
import type { HealthCheck } from "../core/spec.ts";
import type { Host } from "./host.ts";
import type { ProbedRun, Prober } from "./prober.ts";
import type { HealthResult, HealthView } from "./view.ts";

/** The last answers that are kept of a check. */
export const keptResults = 5;

export interface HealthWatchParts {
  readonly host: Pick<Host, "now" | "wallTime" | "after" | "random">;
  readonly prober: Prober;
  /** It has come into another state by its newest result. */
  readonly changed: (from: HealthWord, to: HealthWord, result: HealthResult) => void;
}

/** Asks the run of one instance by one check, one probe after another, and says what comes of it. It never waits for a probe of another. */
export class HealthWatch {
  readonly check: HealthCheck;
  readonly #parts: HealthWatchParts;
  #health: Health | undefined;
  #since: number | undefined;
  #results: readonly HealthResult[] = [];
  /** Of the run that is watched: ends what was begun for it. */
  #watching: AbortController | undefined;
  #cancelProbe: () => void = () => undefined;

  constructor(check: HealthCheck, parts: HealthWatchParts) {
    this.check = check;
    this.#parts = parts;
  }

  /** Undefined while there is no run to ask. */
  get state(): HealthWord | undefined {
    return this.#health?.state;
  }

  /** In words, what the newest result was of a run that is not healthy. */
  get complaint(): string | undefined {
    const newest = this.#results[0];
    return newest && this.state !== "healthy" ? complaintOf(newest) : undefined;
  }

  /** Begins afresh with this run. One that an earlier pmd has started has all its start period again. */
  begin(run: ProbedRun & { readonly adopted: boolean }): void {
    this.end();
    const { host } = this.#parts;
    const watching = new AbortController();
    this.#watching = watching;
    this.#health = initialHealth;
    this.#since = host.wallTime();
    const startedAt = host.now();
    if (this.#hasSaidItsLine(run)) {
      this.#note({ at: host.wallTime(), durationMs: 0, ok: true, reason: "it has been running for longer than its start period", output: "" }, 0);
      return;
    }
    this.#probeLater(run, { watching, startedAt }, firstProbeMs(host.random()));
  }

  /** The run is not to be asked any more. */
  end(): void {
    this.#cancelProbe();
    this.#watching?.abort();
    this.#watching = undefined;
    this.#health = undefined;
    this.#since = undefined;
  }

  view(): HealthView {
    const results = this.#results;
    if (!this.#health) return { state: "none", failures: 0, results };
    const { state, failures } = this.#health;
    return { state, failures, results, ...(this.#since !== undefined && { since: this.#since }) };
  }

  #probeLater(run: ProbedRun, watch: { watching: AbortController; startedAt: number }, ms: number): void {
    this.#cancelProbe = this.#parts.host.after(ms, () => void this.#probe(run, watch));
  }

  async #probe(run: ProbedRun, watch: { watching: AbortController; startedAt: number }): Promise<void> {
    const { host, prober } = this.#parts;
    const { signal } = watch.watching;
    const at = host.wallTime();
    const answer = await prober.probe(this.check.probe, run, this.check.timeoutMs, signal);
    if (signal.aborted) return;
    const sinceStart = host.now() - watch.startedAt;
    this.#note({ at, ...answer }, sinceStart);
    // What was told of the result may have ended the watch. A line that was written stays written.
    if (signal.aborted || !this.#health || (this.check.probe.type === "log_line" && this.#health.state === "healthy")) return;
    this.#probeLater(run, watch, nextProbeMs(this.#health, sinceStart, this.check));
  }

  #note(result: HealthResult, sinceStartMs: number): void {
    const before = this.#health ?? initialHealth;
    const next = judge(before, result.ok, sinceStartMs, this.check);
    this.#results = [result, ...this.#results].slice(0, keptResults);
    this.#health = next;
    if (next.state === before.state) return;
    this.#since = this.#parts.host.wallTime();
    this.#parts.changed(before.state, next.state, result);
  }

  /** Of a run that was found, the line may have been rotated away; it would have been ended had it not said it in time. */
  #hasSaidItsLine({ live, adopted }: { readonly live: ProbedRun["live"]; readonly adopted: boolean }): boolean {
    return this.check.probe.type === "log_line" && adopted && live.aliveMs > this.check.startPeriodMs;
  }
}

/** With the first line of what was said at more length. */
export function complaintOf({ reason, output }: HealthResult): string {
  const [line = ""] = output.trim().split("\n");
  return line === "" ? reason : `${reason}: ${line.slice(0, 200)}`;
}
