import type { LogEntry, LogGap, LogStreamRef } from "../../src/logs/log-stream.ts";
import type { Output } from "./check-history.ts";
import { readLog } from "./read-log.ts";

const countedLine = /^(\S+) (\d+)$/;

/** Judges one stream of lines `<run> <number>`, as a reader gets them: of each run 1, 2, 3 … once and in order, up to its last if that is known. */
export async function countByRun(
  source: LogStreamRef,
  lastOfRun: ReadonlyMap<string, number>,
): Promise<Output & { lines: number; shortest: number }> {
  const seen = new Map<string, number>();
  const output = { lines: 0, shortest: Number.POSITIVE_INFINITY, missing: 0, doubled: 0, disordered: 0, torn: 0, gaps: 0 };
  for await (const { entries, gaps } of readLog([source])) add(entries, gaps);
  // What was lost at the end shows only where the run has said how far it came.
  for (const [run, last] of lastOfRun) output.missing += last - (seen.get(run) ?? 0);
  return output;

  function add(entries: readonly LogEntry[], gaps: readonly LogGap[]): void {
    output.gaps += gaps.length;
    for (const entry of entries) {
      const [, run, number] = (!entry.partial && countedLine.exec(entry.bytes.toString("latin1"))) || [];
      if (run === undefined || run !== entry.runId) {
        output.torn++;
        continue;
      }
      output.lines++;
      output.shortest = Math.min(output.shortest, entry.bytes.length + 1);
      const last = seen.get(run) ?? 0;
      if (Number(number) === last) output.doubled++;
      else if (Number(number) < last) output.disordered++;
      else output.missing += Number(number) - last - 1;
      seen.set(run, Math.max(last, Number(number)));
    }
  }
}
