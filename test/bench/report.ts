import { writeFileSync } from "node:fs";

interface Figure {
  readonly unit: string;
  readonly median: number;
  readonly p99: number;
  readonly max: number;
  readonly n: number;
  /** How many times the floor it is, where there is one. */
  readonly ratio?: number;
}

/** A line for people when it is measured, and all of it as JSON at the end. */
export class Report {
  readonly #figures: Record<string, Figure> = {};

  /** `floor` names what was measured before and does the same without us. */
  add(title: string, unit: string, values: readonly number[], { floor = "" } = {}): void {
    const sorted = values.toSorted((a, b) => a - b);
    const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
    const base = this.#figures[floor]?.median;
    const figure = { unit, median: at(0.5), p99: at(0.99), max: at(1), n: sorted.length, ...(base && { ratio: at(0.5) / base }) };
    this.#figures[title] = figure;
    // Of a few values the 99th percentile is the largest.
    const p99 = figure.n >= 100 ? `  p99 ${shown(figure.p99)}` : "";
    const spread = figure.n > 1 ? `${p99}  max ${shown(figure.max)}  n=${figure.n}` : "";
    const ratio = figure.ratio === undefined ? "" : `  ${figure.ratio.toFixed(2)} × ${floor}`;
    console.log(`${title.padEnd(52)} ${shown(figure.median).padStart(9)} ${unit}${spread}${ratio}`);
  }

  write(path: string): void {
    writeFileSync(path, `${JSON.stringify(this.#figures, undefined, 2)}\n`);
  }
}

function shown(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2);
}
