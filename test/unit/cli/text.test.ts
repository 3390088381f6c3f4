import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { byteSize, percentage, rfc3339, shortDuration, spokenDuration } from "../../../cli/figures.ts";
import { safeLine, safeText } from "../../../cli/safe-text.ts";
import { fitText, padText, textWidth } from "../../../cli/text-width.ts";

describe("text for a terminal", () => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  const obeyed = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

  test("whatever a service writes, nothing is left that a terminal would obey", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => !obeyed.test(safeText(text)) && !obeyed.test(safeLine(text).replaceAll("\t", ""))),
    );
    fc.assert(fc.property(fc.uint8Array(), (bytes) => !obeyed.test(safeText(Buffer.from(bytes).toString("latin1")))));
  });

  test.each([
    ["plain", "plain"],
    ["\u001b[31mred\u001b[0m", "red"],
    ["\u001b]0;title\u0007", "^[]0;title^G"],
    ["\u001b[2J", "^[[2J"],
    ["a\u009b31mb", "a\\x9b31mb"],
    ["abc\u202ecba", "abc\\u202ecba"],
    ["two\nlines", "two^Jlines"],
  ])("%j is shown as %j", (text, shown) => {
    expect(safeText(text)).toBe(shown);
  });

  test("in a line of a log a tab is a tab, and a carriage return at its end says nothing", () => {
    expect(safeLine("a\tb\r")).toBe("a\tb");
    expect(safeLine("50%\r60%")).toBe("50%^M60%");
  });
});

describe("widths", () => {
  test.each([
    ["web", 3],
    ["naïve", 5],
    ["nai\u0308ve", 5],
    ["日本", 4],
    ["🚀", 2],
    ["…", 1],
    ["", 0],
  ])("%j takes %d cells", (text, width) => {
    expect(textWidth(text)).toBe(width);
  });

  test("fitted text is never wider than asked, and whole if it fits", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.nat(30), (text, width) => {
        const fitted = fitText(text, width);
        expect(textWidth(fitted)).toBeLessThanOrEqual(width);
        if (textWidth(text) <= width) expect(fitted).toBe(text);
      }),
    );
  });

  test("cut text ends with an ellipsis", () => {
    expect(fitText("abcdef", 4)).toBe("abc…");
    expect(fitText("日本語", 4)).toBe("日…");
  });

  test("padding counts cells, not characters", () => {
    expect(padText("日", 4)).toBe("日  ");
    expect(padText("7", 3, "right")).toBe("  7");
  });
});

describe("figures", () => {
  test.each([
    [0, "0s"],
    [3200, "3s"],
    [180_000, "3m"],
    [7_800_000, "2h10m"],
    [3_600_000, "1h"],
    [273_600_000, "3d4h"],
  ])("%d ms of uptime is %s", (ms, text) => {
    expect(shortDuration(ms)).toBe(text);
  });

  test.each([
    [33, "33 ms"],
    [1104, "1.1 s"],
    [12_400, "12 s"],
    [125_000, "2 min 5 s"],
  ])("%d ms of waiting is %s", (ms, text) => {
    expect(spokenDuration(ms)).toBe(text);
  });

  test.each([
    [812, "812 B"],
    [1536, "1.5 KiB"],
    [96_468_992, "92 MiB"],
    [1023 * 1024, "1.0 MiB"],
    [8 * 2 ** 30, "8.0 GiB"],
  ])("%d bytes are %s", (bytes, text) => {
    expect(byteSize(bytes)).toBe(text);
  });

  test("percentages have a decimal only below ten, and a dash where nothing was measured", () => {
    expect([0.32, 9.94, 11.6, undefined].map(percentage)).toEqual(["0.3%", "9.9%", "12%", "-"]);
  });

  test("RFC 3339 with the offset of this place is the same moment", () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 4_000_000_000_000 }), (ms) => Date.parse(rfc3339(ms, "milliseconds")) === ms));
  });
});
