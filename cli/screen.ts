/** Where a verb writes: standard output or standard error, or a string in tests. */
export interface Screen {
  readonly isTerminal: boolean;
  /** Infinite where nobody looks. */
  readonly columns: number;
  readonly rows: number;
  readonly colors: boolean;
  write(text: string | Uint8Array): void;
}

const codes = { bold: "1", dim: "2", red: "31", green: "32", yellow: "33", blue: "34", magenta: "35", cyan: "36" } as const;
export type Color = keyof typeof codes;

export function paint(screen: Screen, color: Color | undefined, text: string): string {
  return screen.colors && color !== undefined && text !== "" ? `\u001b[${codes[color]}m${text}\u001b[0m` : text;
}
