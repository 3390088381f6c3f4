/** How much is measured. */
export interface Scale {
  readonly rounds: number;
  /** Of services that are started and stopped together, smallest first. */
  readonly sizes: readonly number[];
  readonly idleSizes: readonly number[];
  readonly idleS: number;
  readonly logMb: number;
  readonly followLines: number;
  readonly calls: number;
  readonly loadS: number;
}

export const full: Scale = {
  rounds: 50,
  sizes: [10, 100, 1000],
  idleSizes: [100, 500],
  idleS: 30,
  logMb: 1000,
  followLines: 500,
  calls: 10_000,
  loadS: 15,
};

/** To see in a minute whether something is far off. */
export const quick: Scale = { rounds: 10, sizes: [10, 100], idleSizes: [100], idleS: 5, logMb: 100, followLines: 100, calls: 1000, loadS: 3 };
