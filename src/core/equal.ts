/** Two values of plain data say the same. The order of keys says nothing; a key that is undefined is one that is not there. */
export function isEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [of, other] = [said(a), said(b)];
  return of.size === other.size && [...of].every(([key, value]) => other.has(key) && isEqual(value, other.get(key)));
}

function said(value: object): Map<string, unknown> {
  return new Map(Object.entries(value).filter(([, inner]) => inner !== undefined));
}
