import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Column, fitWidths, tableLines } from "../../../cli/table.ts";
import { textWidth } from "../../../cli/text-width.ts";
import { StringScreen } from "./run-pmctl.ts";

type Row = { readonly name: string; readonly command: string };
const columns: Column<Row>[] = [
  { title: "NAME", cell: ({ name }) => name },
  { title: "COMMAND", cell: ({ command }) => command, shrinkTo: 10 },
];

describe("a table", () => {
  test("is as wide as its contents", () => {
    const lines = tableLines(new StringScreen("terminal", 80), columns, [
      { name: "web", command: "node server.js" },
      { name: "日本", command: "x" },
    ]);
    expect(lines).toEqual(["NAME  COMMAND", "web   node server.js", "日本  x"]);
  });

  test("shrinks the columns that may shrink before anything else", () => {
    const [, line] = tableLines(new StringScreen("terminal", 20), columns, [{ name: "web", command: "node server.js --port 8080" }]);
    expect(line).toBe("web   node server.j…");
  });

  test("leaves the last columns out when it cannot shrink any more", () => {
    expect(fitWidths([10, 10, 10], [10, 10, 10], 25)).toEqual([10, 10]);
    expect(fitWidths([50], [50], 20)).toEqual([20]);
  });

  test("is never wider than the terminal, whatever is in it", () => {
    const row = fc.record({ name: fc.string({ unit: "grapheme" }), command: fc.string({ unit: "grapheme", maxLength: 200 }) });
    fc.assert(
      fc.property(fc.array(row), fc.integer({ min: 1, max: 120 }), (rows, width) => {
        for (const line of tableLines(new StringScreen("terminal", width), columns, rows)) expect(textWidth(line)).toBeLessThanOrEqual(width);
      }),
    );
  });

  test("is not cut where nobody looks", () => {
    const command = "x".repeat(1000);
    expect(tableLines(new StringScreen("file"), columns, [{ name: "web", command }])[1]).toBe(`web   ${command}`);
  });
});
