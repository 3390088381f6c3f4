const units = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
] as const;

/** How long, in its two greatest units: `3s`, `12m`, `2h10m`, `3d4h`. */
export function shortDuration(ms: number): string {
  const start = units.findIndex(([, size]) => ms >= size);
  if (start === -1) return "0s";
  const [[unit, size], next] = [units[start] ?? units[3], units[start + 1]];
  const count = Math.floor(ms / size);
  const rest = next ? Math.floor((ms % size) / next[1]) : 0;
  return rest > 0 && next && unit !== "m" ? `${count}${unit}${rest}${next[0]}` : `${count}${unit}`;
}

/** How long something took, for a sentence: `33 ms`, `0.4 s`, `12 s`, `2 min 5 s`. */
export function spokenDuration(ms: number): string {
  if (ms < 100) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 9_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

const sizes = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** `812 B`, `3.4 MiB`, `92 MiB`. */
export function byteSize(bytes: number): string {
  let power = 0;
  let value = bytes;
  for (; value >= 999.5 && power < sizes.length - 1; power++) value /= 1024;
  return `${power > 0 && value < 9.95 ? value.toFixed(1) : Math.round(value)} ${sizes[power]}`;
}

/** `0.3%`, `12%`. */
export function percentage(value: number | undefined): string {
  if (value === undefined) return "-";
  return value < 9.95 ? `${value.toFixed(1)}%` : `${Math.round(value)}%`;
}

/** RFC 3339 with the offset of this place: `2026-11-21T10:25:21.123+01:00`. */
export function rfc3339(ms: number, digits: "seconds" | "milliseconds" = "seconds"): string {
  const date = new Date(ms);
  const offset = -date.getTimezoneOffset();
  const local = new Date(ms + offset * 60_000).toISOString().slice(0, digits === "seconds" ? 19 : 23);
  if (offset === 0) return `${local}Z`;
  const [hours, minutes] = [Math.floor(Math.abs(offset) / 60), Math.abs(offset) % 60];
  return `${local}${offset < 0 ? "-" : "+"}${twoDigits(hours)}:${twoDigits(minutes)}`;
}

/** The same for a person at this place: `2026-11-21 10:25:21`. */
export function localTime(ms: number, digits: "seconds" | "milliseconds" = "seconds"): string {
  return rfc3339(ms, digits)
    .replace(/(Z|[+-]\d\d:\d\d)$/, "")
    .replace("T", " ");
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}
