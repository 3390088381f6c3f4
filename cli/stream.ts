import { type CallOptions, Code, ConnectError } from "@connectrpc/connect";
import type { Session } from "./session.ts";

/** pmd sends a heartbeat every 15 s; when three are missing it is not there any more. */
export const silenceMs = 45_000;

/** The messages of a stream, until the session ends, the reader leaves, or pmd falls silent. */
export async function* readStream<T>(session: Session, open: (options: CallOptions) => AsyncIterable<T>): AsyncGenerator<T> {
  const reader = new AbortController();
  const messages = open({ signal: AbortSignal.any([session.signal, reader.signal]) })[Symbol.asyncIterator]();
  try {
    for (;;) {
      const step = await nextMessage(messages);
      if (step.done) return;
      yield step.value;
    }
  } finally {
    reader.abort();
  }
}

async function nextMessage<T>(messages: AsyncIterator<T>): Promise<IteratorResult<T>> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new ConnectError("pmd fell silent", Code.DeadlineExceeded)), silenceMs);
  });
  try {
    return await Promise.race([messages.next(), silence]);
  } finally {
    clearTimeout(timer);
  }
}
