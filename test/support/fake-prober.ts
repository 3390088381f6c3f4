import type { Probe } from "../../src/core/spec.ts";
import type { ProbeAnswer, ProbedRun, Prober } from "../../src/supervisor/prober.ts";

/** Answers as the test says. A probe without an answer hangs until it is aborted. */
export class FakeProber implements Prober {
  readonly asked: { readonly instance: string; readonly runId: string; readonly probe: Probe }[] = [];
  /** So many are under way, of each run and check. */
  readonly underWay = new Map<string, number>();
  mostTogether = 0;
  answer: (probe: Probe, run: ProbedRun) => boolean | undefined = () => true;

  async probe(probe: Probe, run: ProbedRun, _timeoutMs: number, signal: AbortSignal): Promise<ProbeAnswer> {
    const { service, index, runId } = run.order;
    this.asked.push({ instance: `${service}#${index}`, runId, probe });
    const key = `${runId} ${probe.type}`;
    this.underWay.set(key, (this.underWay.get(key) ?? 0) + 1);
    this.mostTogether = Math.max(this.mostTogether, this.underWay.get(key) ?? 0);
    const ok = this.answer(probe, run);
    if (ok === undefined) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    this.underWay.set(key, (this.underWay.get(key) ?? 0) - 1);
    return { ok: ok === true, reason: ok ? "status 200" : "status 503", output: ok ? "" : "out of order\nmore", durationMs: 5 };
  }
}
