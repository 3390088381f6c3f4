const kibi = 1024;
const kilo = 1000;

/** In lower case: people write 512m, 512M and 512MiB for the same size. Only those with a b and no i count in thousands. */
const unitBytes: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  k: kibi,
  kib: kibi,
  kb: kilo,
  m: kibi ** 2,
  mib: kibi ** 2,
  mb: kilo ** 2,
  g: kibi ** 3,
  gib: kibi ** 3,
  gb: kilo ** 3,
  t: kibi ** 4,
  tib: kibi ** 4,
  tb: kilo ** 4,
};

/** Bytes of `4096`, `512M`, `10MiB`, `1.5GiB`, `100 kB`; undefined when the text is no size, or no whole number of bytes. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?([a-z]*)$/.exec(text.toLowerCase());
  const [, amount = "", unit = ""] = match ?? [];
  const scale = Object.hasOwn(unitBytes, unit) ? unitBytes[unit] : undefined;
  if (!match || scale === undefined) return undefined;
  const bytes = Number(amount) * scale;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
