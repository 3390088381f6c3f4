import { existsSync, readdirSync, readFileSync } from "node:fs";
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

/** The newest file that was set aside is plain, and older ones may be packed. */
function readFile(path: string): Buffer {
  if (existsSync(path)) return readFileSync(path);
  return existsSync(`${path}.zst`) ? zstdDecompressSync(readFileSync(`${path}.zst`)) : gunzipSync(readFileSync(`${path}.gz`));
}

/** Every record of one file's index. */
export function readIndex(path: string): IndexRecord[] {
  const bytes = readFileSync(indexPath(path));
  return Array.from({ length: bytes.length / recordBytes }, (_, i) => decodeRecord(bytes, i * recordBytes)).filter((record) => record !== undefined);
}
