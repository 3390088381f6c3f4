/** Microseconds since 1970. Date.now() has milliseconds only, and within one of them lines of two streams could not be told apart. */
export function wallTimeUs(): number {
  const coarse = Date.now();
  const fine = performance.now() + offset;
  // The clock was set, or the offset is not known yet.
  if (fine < coarse - 1 || fine > coarse + 2) {
    offset = coarse - performance.now();
    return coarse * 1000;
  }
  return Math.floor(fine * 1000);
}

let offset = Number.NEGATIVE_INFINITY;
