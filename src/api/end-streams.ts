import type { Interceptor } from "@connectrpc/connect";
import { shuttingDown } from "../errors.ts";

/** When the signal is aborted, streams end with `unavailable`, so that their readers come back to the next pmd; unary calls finish. */
export function endStreamsOn(shutdown: AbortSignal): Interceptor {
  return (next) => async (request) => {
    if (!request.stream) return next(request);
    if (shutdown.aborted) throw shuttingDown();
    const { signal } = request;
    const cutShort = () => shutdown.aborted && !signal.aborted;
    const response = await next({ ...request, signal: either(signal, shutdown) });
    if (!response.stream) return response;
    async function* messages() {
      try {
        yield* response.message as AsyncIterable<never>;
      } catch (error) {
        throw cutShort() ? shuttingDown() : error;
      }
      if (cutShort()) throw shuttingDown();
    }
    return { ...response, message: messages() };
  };
}

/** The call's signal is aborted at its end, whatever the end: that is when the listener on the long-lived signal goes. */
function either(call: AbortSignal, shutdown: AbortSignal): AbortSignal {
  const controller = new AbortController();
  const onShutdown = () => controller.abort(shutdown.reason);
  shutdown.addEventListener("abort", onShutdown);
  const onEnd = () => {
    shutdown.removeEventListener("abort", onShutdown);
    controller.abort(call.reason);
  };
  if (call.aborted) onEnd();
  else call.addEventListener("abort", onEnd, { once: true });
  return controller.signal;
}
