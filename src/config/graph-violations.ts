import { edgeField, edgesOf, findGraphFaults } from "../core/dependencies.ts";
import { findSimilar } from "../core/similar.ts";
import type { ServiceSpec } from "../core/spec.ts";
import type { Violation } from "../errors.ts";

/**
 * What is wrong with the dependencies of services that are defined together: names that none of them has, ends that never come, and rounds.
 * `names` are all of them, also of those that have no spec because something else is wrong with them.
 */
export function findGraphViolations(
  services: readonly { readonly name: string; readonly spec: ServiceSpec }[],
  names: readonly string[],
): Violation[] {
  const graph = new Map(services.map(({ name, spec }) => [name, edgesOf(spec)]));
  const specs = new Map(services.map(({ name, spec }) => [name, spec]));
  // A service that is wrong in itself is there, and what it says of restarts may be what is wrong.
  const known = new Set(names);
  const find = (name: string) => specs.get(name) ?? (known.has(name) ? { restart: { mode: "never" as const } } : undefined);
  return findGraphFaults(graph, find).map(({ service, name, kind, message }) => {
    const position = edgeField(specs.get(service) ?? {}, name);
    const similar = kind === "unknown" ? findSimilar(name, names).filter((other) => other !== service) : [];
    const hint = similar.length > 0 ? `; did you mean ${similar.join(" or ")}?` : "";
    return { field: `services[${JSON.stringify(service)}].${position}`, message: `${message}${hint}` };
  });
}
