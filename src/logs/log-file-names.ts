import { basename } from "node:path";

// A file that was set aside carries the position of its first byte in its name, padded so that names sort by age: `web.out.log.000000010485712`,
// with its index `web.out.log.000000010485712.idx`. It is never renamed again, but it may be packed: then it is `….zst` or `….gz`, and its index stays
// what it is, so that its last record tells how long the file was. Packing writes `….zst.new`, renames it, and removes the plain file; after
// a kill both may be there, and the plain one is the one to be trusted.

const digits = 15;

export function indexPath(path: string): string {
  return `${path}.idx`;
}

export function rotatedPath(path: string, base: number): string {
  return `${path}.${String(base).padStart(digits, "0")}`;
}

export const packings = ["zst", "gz"] as const;
export type Packing = (typeof packings)[number];

export function packedPath(path: string, base: number, packing: Packing): string {
  return `${rotatedPath(path, base)}.${packing}`;
}

export interface RotatedNames {
  /** Positions at which files begin that were set aside, plain or packed, each once, oldest first. */
  readonly files: readonly number[];
  /** Those of them that are there plain; packed or not, this is what is in them. */
  readonly plain: readonly number[];
  /** Those that are there packed, with how. */
  readonly packed: ReadonlyMap<number, Packing>;
  /** Where an index says more of them. */
  readonly indexes: readonly number[];
  /** What a packing that was cut short has left; names, not paths. */
  readonly unfinished: readonly string[];
}

/** Finds those of one log among all the names in its directory. */
export function rotatedNames(path: string, names: readonly string[]): RotatedNames {
  const prefix = `${basename(path)}.`;
  const plain: number[] = [];
  const packed = new Map<number, Packing>();
  const indexes: number[] = [];
  const unfinished: string[] = [];
  for (const name of names) {
    if (!name.startsWith(prefix)) continue;
    const [, digits, ending] = /^(\d{15})(?:\.(idx|zst|gz|zst\.new|gz\.new))?$/.exec(name.slice(prefix.length)) ?? [];
    if (digits === undefined) continue;
    const base = Number(digits);
    if (ending === undefined) plain.push(base);
    else if (ending === "idx") indexes.push(base);
    else if (ending === "zst" || ending === "gz") packed.set(base, ending);
    else unfinished.push(name);
  }
  const files = new Set([...plain, ...packed.keys()]);
  const byAge = (bases: Iterable<number>): number[] => [...bases].sort((a, b) => a - b);
  return { files: byAge(files), plain: byAge(plain), packed, indexes: byAge(indexes), unfinished };
}
