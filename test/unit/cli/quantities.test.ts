import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { durationOf, parseCount, parseDuration, parseSize, parseTime, toMs } from "../../../cli/quantities.ts";

describe("durations", () => {
  test.each([
    ["0", 0],
    ["500ms", 500],
    ["10s", 10_000],
    ["1.5s", 1500],
    ["1m30s", 90_000],
    ["2h", 7_200_000],
    ["1h5ms", 3_600_005],
    ["1d", 86_400_000],
  ])("%s is %d ms", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each(["", "10", "ten", "-5s", "5 s", "30s1m", "1m1m", "s", "1.s", "5sec", "1e3s", "１s"])(
    "%j is refused, and the error says the value",
    (text) => {
      expect(() => parseDuration(text)).toThrow(JSON.stringify(text));
    },
  );

  test("a number without a unit gets told how to say it", () => {
    expect(() => parseDuration("10")).toThrow("say 10s or 10ms");
  });

  test("what is written in units comes back as their sum", () => {
    const part = fc.nat(1000);
    fc.assert(
      fc.property(part, part, part, part, (h, m, s, ms) => {
        expect(parseDuration(`${h}h${m}m${s}s${ms}ms`)).toBe(h * 3_600_000 + m * 60_000 + s * 1000 + ms);
      }),
    );
  });

  test("milliseconds survive the way into the proto and back", () => {
    fc.assert(
      fc.property(fc.nat(86_400_000), (ms) => {
        expect(toMs(durationOf(ms))).toBe(ms);
      }),
    );
  });
});

describe("sizes", () => {
  test.each([
    ["0", 0],
    ["4096", 4096],
    ["512K", 524_288],
    ["10M", 10_485_760],
    ["10MiB", 10_485_760],
    ["10MB", 10_000_000],
    ["10mb", 10_000_000],
    ["1.5G", 1_610_612_736],
    ["1T", 1_099_511_627_776],
    ["7B", 7],
  ])("%s is %d bytes", (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  test.each(["", "M", "10X", "10 M", "-1", "1e9", "10MBit", "10Ki", "99999999T"])("%j is refused, and the error says the value", (text) => {
    expect(() => parseSize(text)).toThrow(JSON.stringify(text));
  });
});

describe("times", () => {
  const now = Date.UTC(2026, 10, 21, 10);

  test("a duration is that long ago", () => {
    expect(parseTime("10m", now)).toBe(now - 600_000);
  });

  test("RFC 3339 is taken with any offset", () => {
    expect(parseTime("2026-11-21T09:00:00Z", now)).toBe(now - 3_600_000);
    expect(parseTime("2026-11-21T10:00:00+01:00", now)).toBe(now - 3_600_000);
  });

  test("without an offset it is the time here", () => {
    expect(parseTime("2026-11-21 09:00", now)).toBe(new Date(2026, 10, 21, 9).getTime());
    expect(parseTime("2026-11-21", now)).toBe(new Date(2026, 10, 21).getTime());
  });

  test.each(["", "yesterday", "2026-13-01", "10", "2026-11-21T25:00:00Z", "21.11.2026"])("%j is refused, and the error says the value", (text) => {
    expect(() => parseTime(text, now)).toThrow(JSON.stringify(text));
  });
});

describe("counts", () => {
  test("a count is digits and nothing else", () => {
    expect(parseCount("4")).toBe(4);
    for (const text of ["", "-1", "4x", "1.5", "0x10", "99999999999"]) expect(() => parseCount(text)).toThrow(JSON.stringify(text));
  });
});
