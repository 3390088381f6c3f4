import { basename } from "node:path";

// A file that was set aside carries the position of its first byte in its name, padded so that names sort by age: `web.out.log.000000010485712`,
// with its index `web.out.log.000000010485712.idx`. It is never renamed again.

const digits = 15;

export function indexPath(path: string): string {
  return `${path}.idx`;
}

export function rotatedPath(path: string, base: number): string {
  return `${path}.${String(base).padStart(digits, "0")}`;
}

export interface RotatedNames {
  /** Positions at which files begin that were set aside, oldest first. */
  readonly files: readonly number[];
  /** The same of indexes. */
  readonly indexes: readonly number[];
}

/** Finds those of one log among all the names in its directory. */
export function rotatedNames(path: string, names: readonly string[]): RotatedNames {
  const prefix = `${basename(path)}.`;
  const files: number[] = [];
  const indexes: number[] = [];
  for (const name of names) {
    if (!name.startsWith(prefix)) continue;
    const match = /^(\d{15})(\.idx)?$/.exec(name.slice(prefix.length));
    if (match) (match[2] ? indexes : files).push(Number(match[1]));
  }
  return { files: files.sort((a, b) => a - b), indexes: indexes.sort((a, b) => a - b) };
}
