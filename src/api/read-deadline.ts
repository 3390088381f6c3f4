import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";

/** Ends a call that only reads, and whose caller has not said how long it waits, after so long; also when its handler does not listen. */
export function endReadsAfter(deadlineMs: number): Interceptor {
  return (next) => async (request) => {
    if (request.stream || !isRead(request.method) || namesDeadline(request.header)) return next(request);
    const deadline = new AbortController();
    const over = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      const error = new ConnectError(`not answered in ${deadlineMs / 1000} s: ask for less, or name a longer deadline`, Code.DeadlineExceeded);
      over.reject(error);
      deadline.abort(error);
    }, deadlineMs);
    try {
      return await Promise.race([next({ ...request, signal: AbortSignal.any([request.signal, deadline.signal]) }), over.promise]);
    } finally {
      clearTimeout(timer);
    }
  };
}

function isRead(method: DescMethod): boolean {
  return method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
}

function namesDeadline(header: Headers): boolean {
  return header.has("connect-timeout-ms") || header.has("grpc-timeout");
}
