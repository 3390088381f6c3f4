import { connect } from "node:net";
import type { Finding } from "./system-prober.ts";

/** A connection that is taken says that somebody listens, and no more. */
export function probeTcp({ host, port }: { readonly host: string; readonly port: number }, signal: AbortSignal): Promise<Finding> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, signal });
    socket.on("error", reject);
    socket.once("connect", () => {
      // Gone at once: thousands of these would wait in the kernel otherwise.
      socket.resetAndDestroy();
      resolve({ ok: true, reason: "connected", output: "" });
    });
  });
}
