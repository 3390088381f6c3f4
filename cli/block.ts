import { safeText } from "./safe-text.ts";
import { paint, type Screen } from "./screen.ts";
import { fitText } from "./text-width.ts";

/** A title and facts below it; a fact that has nothing to say is left out. */
export function printBlock(out: Screen, title: string, facts: readonly (readonly [name: string, value: string | undefined])[]): void {
  const told = facts.filter(([, value]) => value);
  const width = Math.max(...told.map(([name]) => name.length));
  out.write(`${paint(out, "bold", safeText(title))}\n`);
  for (const [name, value = ""] of told) {
    out.write(`${paint(out, "dim", `${name.padStart(width + 2)}:`)} ${fitText(safeText(value), out.columns - width - 5)}\n`);
  }
}
