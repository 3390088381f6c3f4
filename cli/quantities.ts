import type { Duration } from "@bufbuild/protobuf/wkt";
import { usageError } from "./failure.ts";

const number = String.raw`(\d+(?:\.\d+)?)`;
const durationPattern = new RegExp(`^(?:${number}d)?(?:${number}h)?(?:${number}m)?(?:${number}s)?(?:${number}ms)?$`);
const durationUnitsMs = [86_400_000, 3_600_000, 60_000, 1000, 1] as const;

/** `500ms`, `10s`, `1m30s`, `2h`, as milliseconds. A number alone is refused, except 0: it would mean seconds to one and milliseconds to another. */
export function parseDuration(text: string): number {
  if (text === "0") return 0;
  const match = text === "" ? null : durationPattern.exec(text);
  if (!match) {
    const hint = /^\d+(\.\d+)?$/.test(text) ? `: say ${text}s or ${text}ms` : ": write it like 500ms, 10s, 1m30s or 2h";
    throw usageError(`${JSON.stringify(text)} is not a duration${hint}`);
  }
  return Math.round(durationUnitsMs.reduce((sum, unit, position) => sum + unit * Number(match[position + 1] ?? 0), 0));
}

const sizeUnits: Readonly<Record<string, number>> = { "": 1, b: 1 };
const sizePrefixes = ["k", "m", "g", "t"];

/** `10M` and `10MiB` count in 1024, `10MB` in 1000. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([a-z]*)$/i.exec(text);
  const unit = match ? sizeUnit((match[2] ?? "").toLowerCase()) : undefined;
  const bytes = unit === undefined ? Number.NaN : Number(match?.[1]) * unit;
  if (!Number.isSafeInteger(Math.round(bytes)))
    throw usageError(`${JSON.stringify(text)} is not a size: write it like 4096, 512K, 10M, 10MB or 1GiB`);
  return Math.round(bytes);
}

function sizeUnit(unit: string): number | undefined {
  if (unit in sizeUnits) return sizeUnits[unit];
  const power = sizePrefixes.indexOf(unit.charAt(0)) + 1;
  if (power === 0) return undefined;
  switch (unit.slice(1)) {
    case "":
    case "ib":
      return 1024 ** power;
    case "b":
      return 1000 ** power;
    default:
      return undefined;
  }
}

/** A point in time: how long ago (`10m`), a date and time with or without offset (without: here), or a date. As milliseconds since 1970. */
export function parseTime(text: string, now: number): number {
  const dated = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:\d\d)?)?$/i.exec(text);
  if (dated) {
    const [, date, time = "00:00", offset = ""] = dated;
    const at = Date.parse(`${date}T${time}${offset.toUpperCase()}`);
    if (!Number.isNaN(at)) return at;
  } else if (/^\d/.test(text) && durationPattern.test(text)) {
    return now - parseDuration(text);
  }
  throw usageError(`${JSON.stringify(text)} is not a time: say how long ago (10m, 2h30m) or when (2026-11-21T10:00:00Z, "2026-11-21 10:00")`);
}

/** `3000`, `3000-3003`, `auto:5000-5100`. */
export function parsePort(text: string): { first: number; last: number; auto: boolean } {
  const [, auto, first = "", last = first] = /^(auto:)?(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  if (first === "") throw usageError(`${JSON.stringify(text)} is no port: write it like 3000, 3000-3003 or auto:5000-5100`);
  return { first: Number(first), last: Number(last), auto: auto !== undefined };
}

export function parseCount(text: string, most = 4_294_967_295): number {
  if (!/^\d{1,10}$/.test(text) || Number(text) > most) throw usageError(`${JSON.stringify(text)} is not a number from 0 to ${most}`);
  return Number(text);
}

type DurationInit = Pick<Duration, "seconds" | "nanos"> & { $typeName?: never };

export function durationOf(ms: number): DurationInit {
  return { seconds: BigInt(Math.floor(ms / 1000)), nanos: Math.round((ms % 1000) * 1e6) };
}

export function timestampOf(ms: number): DurationInit {
  return durationOf(ms);
}

/** Of a duration or a timestamp alike. */
export function toMs(value: { readonly seconds: bigint; readonly nanos: number }): number {
  return Number(value.seconds) * 1000 + value.nanos / 1e6;
}
