import { readdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { decodeRecord, type IndexRecord, recordBytes } from "../../src/logs/index-format.ts";
import { indexPath, rotatedNames, rotatedPath } from "../../src/logs/log-file-names.ts";

/** The files of one log, oldest first, the present one last. */
export function logFiles(path: string): string[] {
  const { files } = rotatedNames(path, readdirSync(dirname(path)));
  return [...files.map((base) => rotatedPath(path, base)), path];
}

export function wholeLog(path: string): Buffer {
  return Buffer.concat(logFiles(path).map(readFile));
}

/** The newest file that was set aside is plain, and older ones may be packed, perhaps just now: the plain one goes when the packed one is there. */
function readFile(path: string): Buffer {
  for (const [ending, unpack] of [
    ["", asItIs],
    [".zst", zstdDecompressSync],
    [".gz", gunzipSync],
  ] as const) {
    try {
      return unpack(readFileSync(path + ending));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  throw new Error(`there is no ${path}, packed or not`);
}

function asItIs(bytes: Buffer): Buffer {
  return bytes;
}

/** Every record of one file's index. */
export function readIndex(path: string): IndexRecord[] {
  const bytes = readFileSync(indexPath(path));
  return Array.from({ length: bytes.length / recordBytes }, (_, i) => decodeRecord(bytes, i * recordBytes)).filter((record) => record !== undefined);
}
