import type { IndexWriter } from "./index-writer.ts";
import { newline } from "./rotation.ts";

/** What is missing of a log, until its index has been told. */
export class MissingBytes {
  /** All that were dropped. */
  droppedBytes = 0;
  #untoldBytes = 0;
  #untoldKill = false;
  #endsMidLine = false;

  /** Dropped and not yet told. */
  get untold(): boolean {
    return this.#untoldBytes > 0;
  }

  /** The pump before this one was killed, and nobody knows what it had in hand. */
  afterKill(): void {
    this.#untoldKill = true;
  }

  drop(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.droppedBytes += chunk.length;
    this.#untoldBytes += chunk.length;
    this.#endsMidLine = chunk.at(-1) !== newline;
  }

  /** After something was dropped: what follows begins at a line, where there is one. */
  fromLineStart(chunk: Buffer): Buffer {
    if (!this.untold) return chunk;
    const start = this.#endsMidLine ? chunk.indexOf(newline) + 1 : 0;
    this.drop(chunk.subarray(0, start));
    this.#endsMidLine = false;
    return chunk.subarray(start);
  }

  /** Beside the bytes that follow it, in the same file: a gap behind all of a file's bytes would be nobody's. */
  tell(index: IndexWriter, position: number): void {
    if (this.#untoldKill && index.mark(position, { kind: "gap", reason: "pump_killed", bytes: 0 })) this.#untoldKill = false;
    if (this.untold && index.mark(position, { kind: "gap", reason: "dropped", bytes: this.#untoldBytes })) this.#untoldBytes = 0;
  }
}
