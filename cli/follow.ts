import { type CallOptions, Code, ConnectError } from "@connectrpc/connect";
import { isConnectionLoss } from "./connection-loss.ts";
import { paint } from "./screen.ts";
import type { Session } from "./session.ts";
import { readStream } from "./stream.ts";

const firstDelayMs = 100;
const longestDelayMs = 2000;

interface Batch {
  readonly cursor: string;
}

/** Follows until the session ends. When pmd goes away it waits, and goes on where it was when pmd is back: nothing is lost or shown twice. */
export async function* follow<T extends Batch>(
  session: Session,
  startCursor: string,
  open: (cursor: string, options: CallOptions) => AsyncIterable<T>,
): AsyncGenerator<T> {
  let cursor = startCursor;
  let delayMs = firstDelayMs;
  let isConnected = startCursor !== "";
  let isAway = false;
  while (!session.signal.aborted) {
    try {
      for await (const batch of readStream(session, (options) => open(cursor, options))) {
        if (isAway) notice(session, "pmd is back");
        isConnected = true;
        isAway = false;
        delayMs = firstDelayMs;
        cursor = batch.cursor || cursor;
        yield batch;
      }
    } catch (error) {
      if (session.signal.aborted) return;
      if (ConnectError.from(error).code === Code.OutOfRange && cursor !== "") {
        notice(session, "the history has begun anew; what came in between is not shown");
        cursor = "";
        continue;
      }
      if (!isConnected || !isConnectionLoss(error)) throw error;
    }
    if (!isAway) notice(session, "pmd is away; waiting for it");
    isAway = true;
    await session.pause(delayMs);
    delayMs = Math.min(delayMs * 2, longestDelayMs);
  }
}

/** Beside the output, so that what is piped stays what the services wrote. */
export function notice({ err }: Session, text: string): void {
  err.write(`${paint(err, "dim", `-- ${text} --`)}\n`);
}
