import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type Interceptor, type StreamResponse, type UnaryResponse } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { type Problem, ProblemSchema } from "../../gen/pm/v1/common_pb.ts";
import { PmError, type Reason } from "../errors.ts";

// The one place that knows how our errors look on the wire: a code, an ErrorInfo with the reason and the values, a Problem with the same and
// the last lines of the program, and a BadRequest with every violation. What has no reason is a fault of ours: it is logged, and not sent.

export const errorDomain = "pm.v1";

export const codes = {
  INVALID_FIELD: Code.InvalidArgument,
  EMPTY_SELECTOR: Code.InvalidArgument,
  NOT_FOUND: Code.NotFound,
  ALREADY_EXISTS: Code.AlreadyExists,
  WRONG_STATE: Code.FailedPrecondition,
  SPAWN_FAILED: Code.FailedPrecondition,
  EXITED_EARLY: Code.FailedPrecondition,
  TIMED_OUT: Code.DeadlineExceeded,
  SUPERSEDED: Code.Aborted,
  SURVIVORS: Code.Internal,
  NO_RELOAD_METHOD: Code.FailedPrecondition,
  PATH_IN_USE: Code.FailedPrecondition,
  GENERATION_MISMATCH: Code.Aborted,
  CURSOR_EXPIRED: Code.OutOfRange,
  INVALID_CURSOR: Code.InvalidArgument,
  LIMIT_REACHED: Code.ResourceExhausted,
  SHUTTING_DOWN: Code.Unavailable,
  STORE_UNAVAILABLE: Code.Unavailable,
  PUMP_UNAVAILABLE: Code.Unavailable,
  RELOAD_FAILED: Code.FailedPrecondition,
  PORT_IN_USE: Code.FailedPrecondition,
  DEPENDENCY_DOWN: Code.FailedPrecondition,
  HAS_DEPENDENTS: Code.FailedPrecondition,
  OTHER_OWNER: Code.FailedPrecondition,
  PLAN_STALE: Code.Aborted,
} satisfies Record<Reason, Code>;

export type LogError = (error: unknown, method: string) => void;

/** Translates what handlers throw, at once or in the middle of a stream. */
export function translateErrors(log: LogError): Interceptor {
  return (next) => async (request) => {
    const translate = (error: unknown): ConnectError => {
      if (isAbort(error) && request.signal.aborted) return ConnectError.from(request.signal.reason, Code.Canceled);
      if (isHalfRequest(error)) return new ConnectError("the request was cut", Code.Canceled);
      if (!(error instanceof ConnectError) && !(error instanceof PmError)) log(error, `${request.service.typeName}/${request.method.name}`);
      return connectErrorOf(error);
    };
    try {
      const response = await next(request);
      return response.stream ? translateStream(response, translate) : response;
    } catch (error) {
      throw translate(error);
    }
  };
}

/** What waiting functions throw when their signal is aborted: here, because the caller left or its deadline is over. */
function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}

/** Over HTTP/2 the end of the request is seen before the call's signal is aborted. */
function isHalfRequest(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_STREAM_PREMATURE_CLOSE";
}

// A stream fails after its handler has returned: an interceptor that only awaits `next` would never see it.
function translateStream(response: StreamResponse, translate: (error: unknown) => ConnectError): StreamResponse | UnaryResponse {
  async function* messages() {
    try {
      yield* response.message;
    } catch (error) {
      throw translate(error);
    }
  }
  return { ...response, message: messages() };
}

export function connectErrorOf(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  if (!(error instanceof PmError)) return new ConnectError("internal error", Code.Internal);
  const { reason, message, metadata, violations } = error;
  const outgoing = new ConnectError(message, codes[reason], undefined, [
    { desc: ErrorInfoSchema, value: { domain: errorDomain, reason, metadata: { ...metadata } } },
    { desc: ProblemSchema, value: problemOf(error) },
  ]);
  if (violations.length > 0) {
    const fieldViolations = violations.map(({ field, message }) => ({ field, description: message }));
    outgoing.details.push({ desc: BadRequestSchema, value: { fieldViolations } });
  }
  return outgoing;
}

/** The same error inside an answer that is not an error as a whole. */
export function problemOf({ reason, message, metadata, lastLines }: PmError): Problem {
  return create(ProblemSchema, { reason, message, metadata: { ...metadata }, lastLines: [...lastLines] });
}
