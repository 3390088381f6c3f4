import { localTime, rfc3339, shortDuration } from "./figures.ts";
import { toMs } from "./quantities.ts";
import type { Session } from "./session.ts";

export interface TimeOptions {
  readonly absTime?: boolean;
}

interface Moment {
  readonly seconds: bigint;
  readonly nanos: number;
}

/** People want to know how long ago, programs when. */
export function isRelative({ out }: Session, { absTime }: TimeOptions): boolean {
  return out.isTerminal && !absTime;
}

/** `3m`, or when it began. */
export function since(session: Session, at: Moment | undefined, options: TimeOptions): string {
  if (!at) return "-";
  return isRelative(session, options) ? shortDuration(session.now() - toMs(at)) : rfc3339(toMs(at));
}

/** `3m ago`, or when it was. */
export function ago(session: Session, at: Moment | undefined, options: TimeOptions): string {
  if (!at) return "-";
  return isRelative(session, options) ? `${shortDuration(session.now() - toMs(at))} ago` : rfc3339(toMs(at));
}

/** For a line of an event or a log. */
export function stamp(session: Session, at: Moment | undefined, options: TimeOptions = {}): string {
  if (!at) return "-";
  return isRelative(session, options) ? localTime(toMs(at)) : rfc3339(toMs(at), "milliseconds");
}

/** `in 3s`, or when it will be. */
export function until(session: Session, at: Moment | undefined, options: TimeOptions): string {
  if (!at) return "-";
  return isRelative(session, options) ? `in ${shortDuration(Math.max(0, toMs(at) - session.now()))}` : rfc3339(toMs(at));
}
