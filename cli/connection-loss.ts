import { Code, ConnectError } from "@connectrpc/connect";

/** The operating system's word for it (ENOENT, ECONNREFUSED), if it was the connection that failed. */
export function systemErrorOf(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ("code" in at && typeof at.code === "string" && /^E[A-Z]+$/.test(at.code)) return at.code;
  }
  return undefined;
}

/** pmd has gone, is going, or does not answer: it may come back. */
export function isConnectionLoss(error: unknown): boolean {
  if (systemErrorOf(error) !== undefined) return true;
  const { code, rawMessage } = ConnectError.from(error);
  // A stream whose server is killed ends without the message that should have ended it.
  return code === Code.Unavailable || code === Code.DeadlineExceeded || /missing EndStreamResponse|premature|aborted/i.test(rawMessage);
}
