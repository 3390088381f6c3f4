/** One run that is alive, as the sampler is told of it. */
export interface MeasuredInstance {
  /** In full: `default/web#1`. */
  readonly instance: string;
  readonly runId: string;
  /** The main process. */
  readonly pid: number;
  /** The directory of its cgroup (version 2), where there is one. */
  readonly cgroup: string | undefined;
  /** For how long its main process has been there. */
  readonly aliveMs: number;
  readonly restarts: number;
}

export interface UsageSample {
  /** Wall clock. */
  readonly at: number;
  readonly host: HostSample;
  readonly instances: readonly InstanceSample[];
}

export interface HostSample {
  /** Of all cores; absent in the first sample. */
  readonly cpuPercent?: number;
  readonly cores: number;
  readonly memoryUsedBytes: number;
  readonly memoryTotalBytes: number;
  readonly load1: number;
  readonly load5: number;
  readonly load15: number;
}

/** An instance with everything that it has started. */
export interface InstanceSample {
  readonly instance: string;
  readonly runId: string;
  /** Of one core; absent in the first sample of a run. */
  readonly cpuPercent?: number;
  /** What its cgroup accounts for, else the sum of resident sets. */
  readonly memoryBytes: number;
  readonly pids: number;
  /** Absent where it may not be read. */
  readonly openFiles?: number;
  readonly uptimeMs: number;
  readonly restarts: number;
}
