/** The candidates that the text is nearest to, if it is near enough for a typing error. */
export function findSimilar(text: string, candidates: Iterable<string>): string[] {
  const wanted = text.toLowerCase();
  const limit = text.length <= 2 ? 1 : 2;
  const distances = new Map<string, number>();
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - wanted.length) > limit) continue;
    const distance = editDistance(wanted, candidate.toLowerCase());
    if (distance <= limit) distances.set(candidate, distance);
  }
  const nearest = Math.min(...distances.values());
  return [...distances.keys()].filter((candidate) => distances.get(candidate) === nearest);
}

/** How many letters to add, remove or change. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(changed, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
