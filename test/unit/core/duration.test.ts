import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseDuration } from "../../../src/core/duration.ts";

describe("a duration", () => {
  test.for([
    ["0s", 0],
    ["500ms", 500],
    ["1s", 1000],
    ["1.5s", 1500],
    ["0.001s", 1],
    ["1.1s", 1100],
    ["90s", 90_000],
    ["1m30s", 90_000],
    ["1h", 3_600_000],
    ["2d12h", 216_000_000],
    ["1d2h3m4s5ms", 93_784_005],
    ["1m0s", 60_000],
    ["10.000s", 10_000],
  ] as const)("%s is %d ms", ([text, ms]) => expect(parseDuration(text)).toBe(ms));

  test.for([
    "",
    "5",
    "0",
    "s",
    "-5s",
    "+5s",
    "1m30",
    "5 s",
    " 5s",
    "5s ",
    "5S",
    "5sec",
    "1s1m",
    "1s1s",
    "1.5h30m",
    "1h1.5m",
    "0.5ms",
    "1e3s",
    ".5s",
    "5.s",
    "∞s",
    "99999999999999999999s",
    "5s\n",
  ])("%j is none", (text) => expect(parseDuration(text)).toBeUndefined());

  test("whole amounts of all units add up", () => {
    const amounts = fc.record({ d: fc.nat(99), h: fc.nat(99), m: fc.nat(99), s: fc.nat(99), ms: fc.nat(999) });
    fc.assert(
      fc.property(amounts, ({ d, h, m, s, ms }) => {
        expect(parseDuration(`${d}d${h}h${m}m${s}s${ms}ms`)).toBe((((d * 24 + h) * 60 + m) * 60 + s) * 1000 + ms);
      }),
    );
  });
});
