import type { Probe } from "../core/spec.ts";
import type { ProbeAnswer, ProbedRun, Prober } from "../supervisor/prober.ts";
import { probeCommand } from "./exec-probe.ts";
import { LogLines, type ReadLog } from "./log-line-probe.ts";
import { Places } from "./places.ts";
import { probeTcp } from "./tcp-probe.ts";

/** So many probes are under way at once in one pmd: each costs a descriptor or a process. */
const probesTogether = 64;

/** What was found out, before it is known how long it took. */
export type Finding = Pick<ProbeAnswer, "ok" | "reason" | "output">;

/** Asks over the network, with commands, and in logs. What is not used is not loaded. */
export class SystemProber implements Prober {
  readonly #places = new Places(probesTogether);
  readonly #logLines: LogLines;

  constructor(readLog: ReadLog) {
    this.#logLines = new LogLines(readLog);
  }

  async probe(probe: Probe, run: ProbedRun, timeoutMs: number, signal: AbortSignal): Promise<ProbeAnswer> {
    // Its time begins when it is its turn, so that others that hang make nobody fail.
    await this.#places.take(signal);
    const from = performance.now();
    const limit = new AbortController();
    let isLate = false;
    const timer = setTimeout(() => {
      // After pmd itself was held up, what has arrived meanwhile is looked at first.
      setImmediate(() => {
        isLate = true;
        limit.abort();
      });
    }, timeoutMs);
    const abort = () => limit.abort();
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
    try {
      const finding = await this.#ask(probe, run, limit.signal).catch((error: unknown) => failed(error));
      const reason = isLate && !finding.ok ? `no answer within ${timeoutMs / 1000} s` : finding.reason;
      return { ...finding, reason, durationMs: performance.now() - from };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      this.#places.leave();
    }
  }

  async #ask(wanted: Probe, run: ProbedRun, signal: AbortSignal): Promise<Finding> {
    signal.throwIfAborted();
    const probe = "port" in wanted && wanted.port === 0 ? { ...wanted, port: run.live.port } : wanted;
    switch (probe.type) {
      case "http":
        return (await import("./http-probe.ts")).probeHttp(probe, signal);
      case "tcp":
        return probeTcp(probe, signal);
      case "exec":
        return probeCommand(probe.command, run, signal);
      case "grpc":
        return (await import("./grpc-probe.ts")).probeGrpc(probe, signal);
      case "log_line":
        return this.#logLines.probe(probe.contains, run, signal);
    }
  }
}

function failed(error: unknown): Finding {
  return { ok: false, reason: reasonOf(error), output: "" };
}

/** As people say it. */
function reasonOf(error: unknown): string {
  const { code, message, cause, errors } = error as NodeJS.ErrnoException & { errors?: unknown[] };
  // Of a name with several addresses each was tried.
  if (errors?.length) return reasonOf(errors[0]);
  if (cause instanceof Error) return reasonOf(cause);
  switch (code) {
    case "ECONNREFUSED":
      return "connection refused";
    case "ECONNRESET":
    case "EPIPE":
      return "connection closed without an answer";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "no such host";
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return "host cannot be reached";
    default:
      return message || code || "failed";
  }
}
