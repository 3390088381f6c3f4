import { type Usage, type UsagePoint, UsageRing } from "./usage-ring.ts";

export type { UsagePoint } from "./usage-ring.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const fine = { stepMs: 5000, points: 720 };
const coarse = { stepMs: minuteMs, points: 1440 };

/** The subject that is the host. */
export const hostSubject = "";

export interface UsageRange {
  /** Wall clock; as far back as there is when absent. */
  readonly start?: number;
  /** Until now when absent. */
  readonly end?: number;
  /** One point a step; every point that is kept when absent. */
  readonly stepMs?: number;
}

/** An hour at five seconds and a day at one minute, of the host and of each instance: 22 kB a subject. */
export class UsageHistory {
  readonly #series = new Map<string, Series>();

  record(subject: string, at: number, usage: Usage): void {
    let series = this.#series.get(subject);
    if (!series) {
      series = { fine: new UsageRing(fine.stepMs, fine.points), coarse: new UsageRing(coarse.stepMs, coarse.points), newestAt: at - fine.stepMs };
      this.#series.set(subject, series);
    }
    // A value speaks for the time since the one before it.
    const weight = Math.max(1, Math.min(at - series.newestAt, fine.stepMs));
    series.newestAt = at;
    series.fine.add(at, usage, weight);
    series.coarse.add(at, usage, weight);
  }

  /** Subjects that nothing was recorded of for an hour go. */
  forgetGone(now: number): void {
    for (const [subject, { newestAt }] of this.#series) if (newestAt < now - hourMs) this.#series.delete(subject);
  }

  listSubjects(): string[] {
    return [...this.#series.keys()].sort();
  }

  /** Oldest first; nothing for a subject that is not known. */
  query(subject: string, { start = 0, end = Number.MAX_SAFE_INTEGER, stepMs }: UsageRange = {}): UsagePoint[] {
    const series = this.#series.get(subject);
    if (!series) return [];
    const points = stepMs !== undefined && stepMs >= coarse.stepMs ? series.coarse.points(start, end) : everyPoint(series, start, end);
    return stepMs === undefined ? points : fold(points, stepMs);
  }
}

interface Series {
  readonly fine: UsageRing;
  readonly coarse: UsageRing;
  newestAt: number;
}

/** Fine ones as far back as there are, coarse ones before. */
function everyPoint(series: Series, start: number, end: number): UsagePoint[] {
  const fineStart = series.fine.points(0, Number.MAX_SAFE_INTEGER)[0]?.at ?? 0;
  const older = series.coarse.points(start, end).filter(({ at }) => at + coarse.stepMs <= fineStart);
  return [...older, ...series.fine.points(start, end)];
}

/** Of points that share a step, CPU is the mean and the others the highest. */
export function fold(points: readonly UsagePoint[], stepMs: number): UsagePoint[] {
  const steps = Map.groupBy(points, ({ at }) => Math.floor(at / stepMs) * stepMs);
  return [...steps].map(([at, shared]) => {
    const point = { at, memoryBytes: highest(shared.map(({ memoryBytes }) => memoryBytes)), pids: highest(shared.map(({ pids }) => pids)) };
    const percents = shared.flatMap(({ cpuPercent }) => cpuPercent ?? []);
    return percents.length === 0 ? point : { ...point, cpuPercent: percents.reduce((sum, percent) => sum + percent, 0) / percents.length };
  });
}

function highest(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), 0);
}
