export interface Usage {
  readonly cpuPercent?: number;
  readonly memoryBytes: number;
  readonly pids: number;
}

export interface UsagePoint extends Usage {
  /** Wall clock: when its step begins. */
  readonly at: number;
}

/**
 * The newest steps of one subject, ten bytes each. Of what falls into one step CPU is the mean and memory the highest. Memory is kept in KiB, plus
 * one, so that a fresh array, all zeros, is an empty ring, and its pages cost nothing until there is something in them.
 */
export class UsageRing {
  readonly #stepMs: number;
  readonly #cpu: Float32Array;
  readonly #memory: Uint32Array;
  readonly #pids: Uint16Array;
  /** Steps since 1970. */
  #newest: number | undefined;
  /** Of the newest step. */
  #cpuSum = 0;
  #cpuWeight = 0;

  constructor(stepMs: number, points: number) {
    this.#stepMs = stepMs;
    this.#cpu = new Float32Array(points);
    this.#memory = new Uint32Array(points);
    this.#pids = new Uint16Array(points);
  }

  /** `weight` is how much of the step the value speaks for. */
  add(at: number, usage: Usage, weight: number): void {
    const step = Math.floor(at / this.#stepMs);
    if (step !== this.#newest) this.#begin(step);
    const i = this.#indexOf(step);
    this.#memory[i] = Math.max(this.#memory[i] ?? 0, Math.min(Math.round(usage.memoryBytes / 1024) + 1, 0xffff_ffff));
    this.#pids[i] = Math.max(this.#pids[i] ?? 0, Math.min(usage.pids, 0xffff));
    if (usage.cpuPercent !== undefined) {
      this.#cpuSum += usage.cpuPercent * weight;
      this.#cpuWeight += weight;
    }
    this.#cpu[i] = this.#cpuWeight > 0 ? this.#cpuSum / this.#cpuWeight : Number.NaN;
  }

  /** Oldest first, those between the two times. */
  points(start: number, end: number): UsagePoint[] {
    const points: UsagePoint[] = [];
    if (this.#newest === undefined) return points;
    const first = Math.max(Math.ceil(start / this.#stepMs), this.#newest - this.#memory.length + 1);
    const last = Math.min(Math.floor(end / this.#stepMs), this.#newest);
    for (let step = first; step <= last; step++) {
      const point = this.#pointAt(step);
      if (point) points.push(point);
    }
    return points;
  }

  #pointAt(step: number): UsagePoint | undefined {
    const i = this.#indexOf(step);
    const memory = this.#memory[i] ?? 0;
    if (memory === 0) return undefined;
    const cpuPercent = this.#cpu[i] ?? Number.NaN;
    const point = { at: step * this.#stepMs, memoryBytes: (memory - 1) * 1024, pids: this.#pids[i] ?? 0 };
    return Number.isNaN(cpuPercent) ? point : { ...point, cpuPercent };
  }

  /** Empties the steps that lie between, and this one. When the clock was set back, that is what is now in the future. */
  #begin(step: number): void {
    const newest = this.#newest ?? step;
    const [first, last] = step > newest ? [newest + 1, step] : [step, newest];
    const size = this.#memory.length;
    for (let emptied = Math.max(first, last - size + 1); emptied <= last; emptied++) {
      const i = this.#indexOf(emptied);
      this.#memory[i] = 0;
      this.#pids[i] = 0;
    }
    this.#newest = step;
    this.#cpuSum = 0;
    this.#cpuWeight = 0;
  }

  #indexOf(step: number): number {
    return step % this.#memory.length;
  }
}
