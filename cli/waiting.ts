import type { MessageInitShape } from "@bufbuild/protobuf";
import { type CallOptions, Code, ConnectError } from "@connectrpc/connect";
import { Wait_Level, type WaitSchema } from "../gen/pm/v1/common_pb.ts";
import { exitCodes } from "./exit-codes.ts";
import { Failure } from "./failure.ts";
import { durationOf } from "./quantities.ts";
import { clientOf, promptly, type Session } from "./session.ts";

export interface WaitOptions {
  readonly wait: boolean;
  readonly timeout?: number;
}

export function waitOf({ wait, timeout }: WaitOptions): MessageInitShape<typeof WaitSchema> {
  return { level: wait ? Wait_Level.READY : Wait_Level.ACCEPTED, ...(timeout !== undefined && { timeout: durationOf(timeout) }) };
}

/** How often pmd is asked for a sign of life during a long call. */
const signOfLifeMs = 15_000;

/**
 * Makes a call that takes as long as the services take. How long that is only pmd knows (it depends on their grace periods), so the call has no
 * deadline unless the user gave one; instead pmd is asked for a sign of life now and then, and when it gives none the call is given up.
 */
export async function patiently<T>(
  session: Session,
  { timeout }: { timeout?: number | undefined },
  call: (options: CallOptions) => Promise<T>,
): Promise<T> {
  const silence = new AbortController();
  const signal = AbortSignal.any([session.signal, silence.signal]);
  const watch = setInterval(() => {
    isAlive(session, signal).then(
      (alive) => alive || silence.abort(),
      () => silence.abort(),
    );
  }, signOfLifeMs);
  try {
    return await call({ signal, ...(timeout !== undefined && { timeoutMs: timeout + 10_000 }) });
  } catch (error) {
    if (session.signal.aborted) throw new Failure("interrupted; what was asked for goes on", exitCodes.interrupted);
    throw silence.signal.aborted ? new ConnectError("pmd gave no sign of life", Code.DeadlineExceeded) : error;
  } finally {
    clearInterval(watch);
    silence.abort();
  }
}

async function isAlive(session: Session, signal: AbortSignal): Promise<boolean> {
  const { DaemonService } = await import("../gen/pm/v1/daemon_service_pb.ts");
  try {
    await clientOf(session, DaemonService).getInfo({}, { ...promptly(session), signal });
    return true;
  } catch (error) {
    // An answer is a sign of life, also when it is a refusal.
    return ConnectError.from(error).code !== Code.DeadlineExceeded;
  }
}
