import { create } from "@bufbuild/protobuf";
import { type Duration, DurationSchema, type Timestamp, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";

/** Rounded up, so that a grace period of a microsecond does not become none. */
export function toMs(duration: Duration): number {
  return Number(duration.seconds) * 1000 + Math.ceil(duration.nanos / 1_000_000);
}

export function toMsOr(duration: Duration | undefined, otherwise: number): number {
  return duration === undefined ? otherwise : toMs(duration);
}

export function fromMs(ms: number): Duration {
  const whole = Math.round(ms);
  const seconds = Math.floor(whole / 1000);
  return create(DurationSchema, { seconds: BigInt(seconds), nanos: (whole - seconds * 1000) * 1_000_000 });
}

/** Milliseconds of the wall clock. */
export function toWallTime(timestamp: Timestamp | undefined): number | undefined {
  return timestamp === undefined ? undefined : timestampMs(timestamp);
}

export function fromWallTime(ms: number): Timestamp {
  // The clock of a file has fractions of a millisecond, which nobody asked for.
  return timestampFromMs(Math.floor(ms));
}
