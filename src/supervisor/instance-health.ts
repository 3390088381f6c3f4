import { isDeepStrictEqual } from "node:util";
import type { HealthWord } from "../core/health.ts";
import { displayName } from "../core/names.ts";
import type { ServiceSpec } from "../core/spec.ts";
import type { EventLog } from "./event-log.ts";
import { complaintOf, HealthWatch, type HealthWatchParts } from "./health-watch.ts";
import type { ProbedRun } from "./prober.ts";
import type { HealthResult, InstanceView } from "./view.ts";

/** The checks that an instance can have. */
const checkNames = ["health", "liveness"] as const;
type CheckName = (typeof checkNames)[number];

export interface InstanceHealthParts extends Omit<HealthWatchParts, "changed"> {
  readonly events: EventLog;
}

/** The instance whose health it is. */
export interface HealthOwner {
  /** In full: `default/web#1`. */
  readonly name: string;
  readonly spec: ServiceSpec;
  /** Undefined while there is no process to be asked. */
  readonly probed: (ProbedRun & { readonly adopted: boolean }) | undefined;
  healthChanged(): void;
  endUnhealthy(complaint: string): void;
}

/** What the checks of one instance say of its run, and what follows of that. */
export class InstanceHealth {
  readonly #parts: InstanceHealthParts;
  readonly #owner: HealthOwner;
  readonly #watches = new Map<CheckName, HealthWatch>();

  constructor(parts: InstanceHealthParts, owner: HealthOwner) {
    this.#parts = parts;
    this.#owner = owner;
  }

  /** Its service may have other checks now: those that are the same go on. */
  fit(): void {
    const { spec, probed } = this.#owner;
    for (const name of checkNames) {
      const check = spec[name];
      const before = this.#watches.get(name);
      if (isDeepStrictEqual(before?.check, check)) continue;
      before?.end();
      this.#watches.delete(name);
      if (!check) continue;
      const changed: HealthWatchParts["changed"] = (from, to, result) => this.#changed(name, { from, to, result });
      const watch = new HealthWatch(check, { ...this.#parts, changed });
      this.#watches.set(name, watch);
      if (probed) watch.begin(probed);
    }
  }

  /** There is a process now. */
  begin(): void {
    const { probed } = this.#owner;
    if (probed) for (const watch of this.#watches.values()) watch.begin(probed);
  }

  end(): void {
    for (const watch of this.#watches.values()) watch.end();
  }

  /** As far as the check of that says; without one nothing is against it. */
  get isReady(): boolean {
    const health = this.#watches.get("health");
    return !health || health.state === "healthy";
  }

  /** Why it is not ready: what its check was told last. */
  get complaint(): string | undefined {
    return this.#watches.get("health")?.complaint;
  }

  view(): Pick<InstanceView, "health" | "liveness"> {
    const liveness = this.#watches.get("liveness");
    return {
      health: this.#watches.get("health")?.view() ?? { state: "none", failures: 0, results: [] },
      ...(liveness && { liveness: liveness.view() }),
    };
  }

  #changed(name: CheckName, { from, to, result }: { from: HealthWord; to: HealthWord; result: HealthResult }): void {
    const { name: subject, probed } = this.#owner;
    const shown = displayName(subject);
    const message = to === "healthy" ? `${shown} is healthy` : `${shown} is unhealthy: ${complaintOf(result)}`;
    const attributes = { check: name, from, to };
    this.#parts.events.append({ type: "health_changed", subject, runId: probed?.order.runId ?? "", message, attributes });
    this.#owner.healthChanged();
    // Where both are asked, only liveness says when it is to be restarted.
    if (to === "unhealthy" && (name === "liveness" || !this.#watches.has("liveness"))) this.#react(complaintOf(result));
  }

  #react(complaint: string): void {
    const { onUnhealthy = "restart" } = this.#owner.spec;
    if (onUnhealthy === "none") return;
    if (onUnhealthy === "restart") return this.#owner.endUnhealthy(complaint);
    try {
      this.#owner.probed?.live.signal(onUnhealthy.signal, "main");
    } catch {
      // It has ended meanwhile, and is told of as ended.
    }
  }
}
