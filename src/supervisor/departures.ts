import type { InstanceEvent } from "../core/state.ts";
import type { Instance } from "./instance.ts";

export type Departure = Extract<InstanceEvent, { type: "stop" | "restart" | "lost" }>;

/** Instances that are to go. Those that depend on one of them go first: until nothing of these is left it is held. */
export class Departures {
  readonly #held = new Map<Instance, Departure>();
  /** Of other services, whether or not they go. */
  readonly #dependentsOf: (instance: Instance) => readonly Instance[];
  #reviewing = false;
  #again = false;

  constructor(dependentsOf: (instance: Instance) => readonly Instance[]) {
    this.#dependentsOf = dependentsOf;
  }

  has(instance: Instance): boolean {
    return this.#held.has(instance);
  }

  /** All at once, since who may go depends on who goes too. */
  add(departures: Iterable<readonly [Instance, Departure]>): void {
    for (const [instance, departure] of departures) this.#held.set(instance, departure);
    this.review();
  }

  /** A start takes back what has not begun. What is lost, or is to be restarted, starts again anyhow. */
  cancelStop(instance: Instance): void {
    if (this.#held.get(instance)?.type !== "stop") return;
    this.#held.delete(instance);
    instance.changes.notify();
  }

  forget(instances: readonly Instance[]): void {
    for (const instance of instances) this.#held.delete(instance);
  }

  /** Something has changed: lets go who may go now, which again may change something. */
  review(): void {
    this.#again = true;
    if (this.#reviewing) return;
    this.#reviewing = true;
    try {
      while (this.#again) {
        this.#again = false;
        for (const [instance, departure] of this.#held) if (this.#mayGo(instance)) this.#go(instance, departure);
      }
    } finally {
      this.#reviewing = false;
    }
  }

  #go(instance: Instance, departure: Departure): void {
    this.#held.delete(instance);
    instance.dispatch(departure);
    this.#again = true;
  }

  /** Nothing waits for what outlives SIGKILL: it may never end. */
  #mayGo(instance: Instance): boolean {
    return !instance.hasRun || !this.#dependentsOf(instance).some((other) => (this.#held.has(other) && other.hasRun) || other.ending);
  }
}
