const unitMs = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;
type Unit = keyof typeof unitMs;

const units = Object.keys(unitMs) as Unit[];

/**
 * Milliseconds of `1h30m`, `90s`, `1.5s`, `500ms`. Every number has a unit, the larger units come first, each once; only a number that stands
 * alone has a fraction. Undefined when the text is anything else, or says less than a millisecond.
 */
export function parseDuration(text: string): number | undefined {
  if (!/^(?:\d+(?:\.\d+)?(?:ms|[dhms]))+$/.test(text)) return undefined;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|[dhms])/g)];
  let total = 0;
  let largest = 0;
  for (const [, amount, name] of parts as unknown as [string, string, Unit][]) {
    const rank = units.indexOf(name) + 1;
    if (rank <= largest || (parts.length > 1 && amount.includes("."))) return undefined;
    largest = rank;
    total += exactly(Number(amount) * unitMs[name]);
  }
  return Number.isSafeInteger(total) ? total : undefined;
}

/** What floating point has added to a whole number goes; a real fraction stays. */
function exactly(value: number): number {
  const whole = Math.round(value);
  return Math.abs(value - whole) < 1e-6 ? whole : value;
}
