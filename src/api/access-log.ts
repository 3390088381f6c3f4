import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";

/** One call, when it is over. */
export interface AccessEntry {
  readonly method: string;
  /** `ok`, or the code of the error. */
  readonly code: string;
  readonly durationMs: number;
  /** Messages that were sent. */
  readonly messages: number;
  /** Reads change nothing: they may be logged more quietly. */
  readonly read: boolean;
}

/** To be the outermost interceptor: it sees errors as the caller does. */
export function logAccess(log: (entry: AccessEntry) => void): Interceptor {
  return (next) => async (request) => {
    const begun = performance.now();
    const method = `${request.service.typeName}/${request.method.name}`;
    const read = request.method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
    const end = (code: string, messages: number) => log({ method, code, durationMs: performance.now() - begun, messages, read });
    try {
      const response = await next(request);
      if (response.stream) return { ...response, message: countMessages(response.message, end) };
      end("ok", 1);
      return response;
    } catch (error) {
      end(codeOf(error), 0);
      throw error;
    }
  };
}

async function* countMessages<T>(messages: AsyncIterable<T>, end: (code: string, messages: number) => void) {
  let count = 0;
  let code = codeToString(Code.Canceled);
  try {
    for await (const message of messages) {
      count++;
      yield message;
    }
    code = "ok";
  } catch (error) {
    code = codeOf(error);
    throw error;
  } finally {
    // A reader that leaves ends the loop without an error.
    end(code, count);
  }
}

function codeOf(error: unknown): string {
  return codeToString(ConnectError.from(error).code);
}
