import type { LogSettings } from "./log-file.ts";

const minuteMs = 60_000;
const hourMs = 3_600_000;
const daysAfterMonday = 6;

/** When the interval ends in which this moment lies, by the local clock; never, where there is none. */
export function endOfInterval(interval: LogSettings["interval"], ms: number): number {
  const local = new Date(ms);
  switch (interval) {
    case "none":
      return Number.POSITIVE_INFINITY;
    // Counted rather than set: where the clock is put back, an hour comes twice, and each of them ends.
    case "minutely":
      return ms - (ms % minuteMs) + minuteMs;
    case "hourly":
      return ms - positive(ms - local.getTimezoneOffset() * minuteMs, hourMs) + hourMs;
    case "daily":
      return midnight(local, 1);
    case "weekly":
      return midnight(local, 7 - ((local.getDay() + daysAfterMonday) % 7));
    case "monthly":
      return new Date(local.getFullYear(), local.getMonth() + 1, 1).getTime();
  }
}

function midnight(local: Date, days: number): number {
  return new Date(local.getFullYear(), local.getMonth(), local.getDate() + days).getTime();
}

function positive(value: number, modulus: number): number {
  return ((value % modulus) + modulus) % modulus;
}
