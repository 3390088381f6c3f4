import { setTimeout as sleep } from "node:timers/promises";

/**
 * The one place where tests wait. Asks again and again until the fact holds: until the function neither throws nor returns false, undefined or
 * null. When the time is over it fails with what was said last.
 */
export async function eventually<T>(fact: () => T | Promise<T>, { timeoutMs = 20_000 } = {}): Promise<Exclude<T, false | undefined | null>> {
  const deadline = performance.now() + timeoutMs;
  for (let pauseMs = 2; ; pauseMs = Math.min(20, pauseMs * 2)) {
    let refusal: unknown;
    try {
      const answer = await fact();
      if (answer !== false && answer !== undefined && answer !== null) return answer as Exclude<T, false | undefined | null>;
      refusal = new Error(`still ${answer} after ${timeoutMs / 1000} s: ${fact}`);
    } catch (error) {
      refusal = error;
    }
    if (performance.now() > deadline) throw refusal;
    await sleep(pauseMs);
  }
}
