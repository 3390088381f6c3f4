import { wholeLog } from "./log-content.ts";

/** A shell line that writes 1, 2, 3 … to stdout and stderr alternately in one count each, in bursts, for ever. */
export const countForever = 'i=0; while :; do i=$((i+1)); echo "$i"; echo "$i" >&2; [ $((i % 200)) = 0 ] && sleep 0.01; done';

export interface LineReport {
  readonly lines: number;
  readonly missing: number;
  readonly doubled: number;
  readonly disordered: number;
  /** Lines that are no number: torn or mixed ones. */
  readonly torn: string[];
}

/** Judges what is on disk: the file and those that were set aside must hold each number from 1 once, in order. */
export function checkNumberedLines(path: string): LineReport {
  const text = wholeLog(path).toString("latin1");
  const whole = text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .slice(0, -1);
  const torn = whole.filter((line) => !/^\d+$/.test(line));
  const numbers = whole.filter((line) => /^\d+$/.test(line)).map(Number);
  const seen = new Set(numbers);
  const highest = numbers.reduce((most, number) => Math.max(most, number), 0);
  return {
    lines: numbers.length,
    missing: highest - seen.size,
    doubled: numbers.length - seen.size,
    disordered: numbers.filter((number, at) => at > 0 && number < (numbers[at - 1] ?? 0)).length,
    torn,
  };
}
