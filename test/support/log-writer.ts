import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { type Packing, packedPath, rotatedNames, rotatedPath } from "../../src/logs/log-file-names.ts";
import type { LogStreamRef } from "../../src/logs/log-stream.ts";
import { LogFile, type LogSettings } from "../../src/pump/log-file.ts";
import { plainSettings } from "./log-settings.ts";

/** A stream of `default/web#0`, or of another instance, as the pump writes it. */
export class LogWriter {
  readonly source: LogStreamRef;
  #file: LogFile;

  constructor(
    directory: string,
    { instance = "default/web#0", stream = "stdout" as "stdout" | "stderr", settings = {} as Partial<LogSettings> } = {},
  ) {
    const path = join(directory, `${instance.replace(/.*\//, "").replace("#", "-")}.${stream}.log`);
    this.source = { instance, stream, path };
    this.#file = new LogFile(path, { ...plainSettings, ...settings });
  }

  write(bytes: string | Buffer, runId = "r1"): void {
    this.#file.append(Buffer.from(bytes), runId);
  }

  rotate(): void {
    this.#file.rotate();
  }

  purge(): void {
    this.#file.purge(false);
  }

  /** Compresses every file that was set aside and is not compressed yet, as the pump does, and returns the paths. */
  pack(packing: Packing = "zst", { keepPlain = false } = {}): string[] {
    const { path } = this.source;
    const plain = rotatedNames(path, readdirSync(dirname(path))).files.filter((base) => existsSync(rotatedPath(path, base)));
    return plain.map((base) => {
      const packed = packedPath(path, base, packing);
      const bytes = readFileSync(rotatedPath(path, base));
      writeFileSync(`${packed}.new`, packing === "zst" ? zstdCompressSync(bytes) : gzipSync(bytes));
      renameSync(`${packed}.new`, packed);
      if (!keepPlain) rmSync(rotatedPath(path, base));
      return packed;
    });
  }

  /** As if the pump had left, or been killed, and another had come. */
  reopen(how: "left" | "killed"): void {
    if (how === "left") this.#file.close();
    this.#file = new LogFile(this.#file.path, this.#file.settings);
  }

  close(): void {
    this.#file.close();
  }
}
