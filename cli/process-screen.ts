import { isatty, type WriteStream } from "node:tty";
import type { Screen } from "./screen.ts";
import type { Session } from "./session.ts";

export function processScreen(stream: WriteStream, withColor: boolean): Screen {
  const isTerminal = stream.isTTY === true;
  return {
    isTerminal,
    get columns() {
      return isTerminal ? stream.columns || 80 : Number.POSITIVE_INFINITY;
    },
    get rows() {
      return isTerminal ? stream.rows || 24 : Number.POSITIVE_INFINITY;
    },
    colors: withColor && isTerminal && process.env.TERM !== "dumb",
    write: (text) => {
      stream.write(text);
    },
  };
}

/** What a person at a terminal can be asked. Without one there is nobody to ask. */
export function openTerminal(): Pick<Session, "confirm" | "onKey"> {
  return isatty(0) && isatty(2) ? { confirm, onKey } : {};
}

async function confirm(question: string): Promise<boolean> {
  const { createInterface } = await import("node:readline/promises");
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  const leave = new AbortController();
  reader.once("SIGINT", () => leave.abort());
  try {
    return /^y(es)?$/i.test((await reader.question(question, { signal: leave.signal })).trim());
  } catch (error) {
    if (!leave.signal.aborted) throw error;
    process.stderr.write("\n");
    return false;
  } finally {
    reader.close();
  }
}

function onKey(call: (key: string) => void): () => void {
  const { stdin } = process;
  const press = (bytes: Buffer) => call(bytes.toString("latin1"));
  stdin.setRawMode(true);
  stdin.on("data", press);
  stdin.resume();
  return () => {
    stdin.off("data", press);
    stdin.setRawMode(false);
    stdin.pause();
    stdin.unref();
  };
}
