import { afterEach, expect, test } from "vitest";
import { endOfInterval } from "../../../src/pump/interval.ts";

const zone = process.env.TZ;

afterEach(() => {
  if (zone === undefined) delete process.env.TZ;
  else process.env.TZ = zone;
});

/** With its offset, so that a row says what it means. */
const rows = [
  ["minutely", "UTC", "2026-03-01T10:20:30Z", "2026-03-01T10:21:00Z"],
  ["minutely", "UTC", "2026-03-01T10:20:00Z", "2026-03-01T10:21:00Z"],
  ["hourly", "UTC", "2026-03-01T23:59:59Z", "2026-03-02T00:00:00Z"],
  ["hourly", "Asia/Kolkata", "2026-03-01T10:20:30+05:30", "2026-03-01T11:00:00+05:30"],
  ["daily", "UTC", "2026-12-31T12:00:00Z", "2027-01-01T00:00:00Z"],
  ["daily", "America/New_York", "2026-03-01T22:00:00-05:00", "2026-03-02T00:00:00-05:00"],
  ["weekly", "UTC", "2026-03-01T12:00:00Z", "2026-03-02T00:00:00Z"],
  ["weekly", "UTC", "2026-03-02T00:00:00Z", "2026-03-09T00:00:00Z"],
  ["monthly", "UTC", "2026-01-31T12:00:00Z", "2026-02-01T00:00:00Z"],
  ["monthly", "UTC", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"],
] as const;

test.for(rows)("%s in %s: what began at %s ends at %s", ([interval, tz, from, end]) => {
  process.env.TZ = tz;
  expect(new Date(endOfInterval(interval, Date.parse(from))).toISOString()).toBe(new Date(end).toISOString());
});

test("a day on which the clock is changed is as long as it is", () => {
  process.env.TZ = "Europe/Berlin";
  const day = (from: string) => (endOfInterval("daily", Date.parse(from)) - Date.parse(from)) / 3_600_000;
  expect(day("2026-03-29T00:00:00+01:00")).toBe(23);
  expect(day("2026-10-25T00:00:00+02:00")).toBe(25);
});

test("an hour that comes twice ends twice", () => {
  process.env.TZ = "Europe/Berlin";
  const first = Date.parse("2026-10-25T02:30:00+02:00");
  expect(endOfInterval("hourly", first)).toBe(Date.parse("2026-10-25T02:00:00+01:00"));
  expect(endOfInterval("hourly", endOfInterval("hourly", first))).toBe(Date.parse("2026-10-25T03:00:00+01:00"));
});

test("without an interval nothing ends", () => {
  expect(endOfInterval("none", Date.now())).toBe(Number.POSITIVE_INFINITY);
});
