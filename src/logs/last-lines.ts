import { readPage } from "./read-page.ts";

const wanted = 10;
const lineBytes = 1000;

/** The last lines that a run wrote to stderr, or to stdout when its stderr was silent: they are what tells why it ended. */
export async function readLastLines(run: { readonly runId: string; readonly stdoutPath: string; readonly stderrPath: string }): Promise<string[]> {
  for (const path of [run.stderrPath, run.stdoutPath]) {
    const { entries } = await readPage({ sources: [{ instance: "", stream: "stderr", path }], tail: wanted, maxEntries: wanted });
    const own = entries.filter(({ runId }) => runId === run.runId);
    if (own.length > 0) return own.map(({ bytes }) => bytes.toString("utf8", 0, lineBytes));
  }
  return [];
}
