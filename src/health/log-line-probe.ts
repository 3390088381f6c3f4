import type { LaunchOrder } from "../supervisor/host.ts";
import type { ProbedRun } from "../supervisor/prober.ts";
import type { Finding } from "./system-prober.ts";

/** A page of what runs have written to a log, from where an earlier page ended. */
export type ReadLog = (from: { readonly order: LaunchOrder; readonly sinceMs: number; readonly cursor: string | undefined }) => Promise<LogPart>;

export interface LogPart {
  readonly entries: readonly { readonly stream: string; readonly bytes: Buffer; readonly partial: boolean; readonly runId: string }[];
  readonly cursor: string;
  readonly atEnd: boolean;
}

interface Place {
  cursor: string | undefined;
  /** Of each stream the end of a line that is not whole yet: the text may begin in it. */
  readonly begun: Map<string, Buffer>;
}

/** The clock of the pump, which writes the times, may be read a little before that of the start. */
const marginMs = 1000;

/** Looks for text in what a run has written: each line once. */
export class LogLines {
  readonly #readLog: ReadLog;
  readonly #places = new WeakMap<object, Place>();

  constructor(readLog: ReadLog) {
    this.#readLog = readLog;
  }

  async probe(contains: string, { live, order }: ProbedRun, signal: AbortSignal): Promise<Finding> {
    const place = this.#placeOf(live);
    for (let atEnd = false; !atEnd && !signal.aborted; ) {
      const part = await this.#readLog({ order, sinceMs: live.startedAt - marginMs, cursor: place.cursor });
      place.cursor = part.cursor;
      atEnd = part.atEnd;
      for (const entry of part.entries) {
        if (entry.runId !== order.runId) continue;
        const text = Buffer.concat([place.begun.get(entry.stream) ?? Buffer.alloc(0), entry.bytes]);
        if (text.includes(contains)) return { ok: true, reason: "it has written the line", output: text.toString("utf8", 0, 1024) };
        if (entry.partial) place.begun.set(entry.stream, Buffer.from(text.subarray(-Buffer.byteLength(contains))));
        else place.begun.delete(entry.stream);
      }
    }
    return { ok: false, reason: `it has not written a line with ${JSON.stringify(contains)}`, output: "" };
  }

  #placeOf(run: object): Place {
    let place = this.#places.get(run);
    if (!place) {
      place = { cursor: undefined, begun: new Map() };
      this.#places.set(run, place);
    }
    return place;
  }
}
