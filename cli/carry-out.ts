import type { CallOptions } from "@connectrpc/connect";
import { type Task, withProgress } from "./progress.ts";
import type { Session } from "./session.ts";
import { patiently, type WaitOptions } from "./waiting.ts";

/** Makes the call of a verb that waits for its outcome, and shows on a terminal how it goes. */
export async function carryOut<T>(session: Session, task: Task & { options: WaitOptions }, call: (options: CallOptions) => Promise<T>): Promise<T> {
  return await withProgress(session, task, () => patiently(session, task.options, call));
}
