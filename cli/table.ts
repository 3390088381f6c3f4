import { type Color, paint, type Screen } from "./screen.ts";
import { fitText, padText, textWidth } from "./text-width.ts";

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
  readonly align?: "left" | "right";
  readonly color?: (row: Row) => Color | undefined;
  /** May be cut to this width where the terminal is too narrow. */
  readonly shrinkTo?: number;
}

const gap = "  ";

/** Lines of a table that is as wide as its contents, and never wider than the screen. */
export function tableLines<Row>(screen: Screen, columns: readonly Column<Row>[], rows: readonly Row[]): string[] {
  const cells = rows.map((row) => columns.map((column) => column.cell(row)));
  const widths = fitWidths(
    columns.map((column, index) => Math.max(textWidth(column.title), ...cells.map((line) => textWidth(line[index] ?? "")))),
    columns.map((column) => Math.max(textWidth(column.title), column.shrinkTo ?? Number.POSITIVE_INFINITY)),
    screen.columns,
  );
  const shown = columns.slice(0, widths.length);
  const layOut = (text: string, index: number) => {
    const width = widths[index] ?? 0;
    const { align = "left" } = columns[index] ?? {};
    const isLast = index === shown.length - 1;
    return isLast && align === "left" ? fitText(text, width) : padText(fitText(text, width), width, align);
  };
  const head = shown.map((column, index) => layOut(column.title, index)).join(gap);
  const body = rows.map((row, line) =>
    shown.map((column, index) => paint(screen, column.color?.(row), layOut(cells[line]?.[index] ?? "", index))).join(gap),
  );
  return [paint(screen, "dim", head), ...body];
}

/** Takes from the widest column that may give, again and again; when none can, the last columns go. */
export function fitWidths(natural: readonly number[], least: readonly number[], available: number): number[] {
  const widths = [...natural];
  const excess = () => widths.reduce((sum, width) => sum + width, 0) + gap.length * (widths.length - 1) - available;
  while (excess() > 0) {
    const givers = widths.map((width, index) => (width > (least[index] ?? 0) ? width : 0));
    const widest = Math.max(...givers);
    if (widest > 0) widths[givers.indexOf(widest)] = widest - 1;
    else if (widths.length > 1) widths.pop();
    else widths[0] = Math.max(1, available);
  }
  return widths;
}
