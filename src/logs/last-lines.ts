import { type LogPage, readPage } from "./read-page.ts";

const wanted = 10;
const lineBytes = 1000;
const mostEntries = 1000;

interface RunLog {
  readonly runId: string;
  readonly stdoutPath: string;
  readonly stderrPath: string;
}

/** The last lines that a run wrote to stderr, or to stdout when its stderr was silent: they are what tells why it ended. */
export async function readLastLines(run: RunLog): Promise<string[]> {
  for (const path of [run.stderrPath, run.stdoutPath]) {
    const { entries } = await readPage({ sources: [{ instance: "", stream: "stderr", path }], tail: wanted, maxEntries: wanted });
    const own = entries.filter(({ runId }) => runId === run.runId);
    if (own.length > 0) return own.map(({ bytes }) => bytes.toString("utf8", 0, lineBytes));
  }
  return [];
}

/** A page of what was written to the logs of a run, from a time or from where an earlier page ended. */
export function readRunLog({ order, sinceMs, cursor }: { order: RunLog; sinceMs: number; cursor: string | undefined }): Promise<LogPage> {
  const sources = [
    { instance: "", stream: "stdout", path: order.stdoutPath },
    { instance: "", stream: "stderr", path: order.stderrPath },
  ] as const;
  return readPage({ sources, cursor, sinceMs, maxEntries: mostEntries });
}
