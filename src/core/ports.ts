import type { PortSpec } from "./spec.ts";

/** Why so many instances cannot share this range; undefined when they can. */
export function rangeProblem(port: PortSpec, instances: number): string | undefined {
  const { first, last } = port;
  if (last < first) return `${rangeText(port)} is no range: the last port is below the first`;
  if (instances <= last - first + 1) return undefined;
  const more = rangeText({ ...port, last: first + instances - 1 });
  return `${instances} instances cannot share ${rangeText(port)}: give ${more}, or fewer instances`;
}

/** Ports that nobody else may be given: a service with fixed ports has them whether it runs or not. */
export function fixedPorts(port: PortSpec | undefined): number[] {
  return port === undefined || port.auto ? [] : rangeOf(port);
}

/** The ports that an instance may take, in the order in which they are tried. */
export function candidates(port: PortSpec, index: number, portsOfOthers: () => ReadonlySet<number>): number[] {
  if (!port.auto) return [port.first + index];
  const others = portsOfOthers();
  return rangeOf(port).filter((number) => !others.has(number));
}

/** The first port that both would have. */
export function sharedPort(one: PortSpec | undefined, other: PortSpec | undefined): number | undefined {
  if (!one || !other || one.auto || other.auto) return undefined;
  const first = Math.max(one.first, other.first);
  return first <= Math.min(one.last, other.last) ? first : undefined;
}

function rangeText({ first, last, auto }: PortSpec): string {
  return `${auto ? "auto:" : ""}${first}${last === first ? "" : `-${last}`}`;
}

function rangeOf({ first, last }: PortSpec): number[] {
  return Array.from({ length: last - first + 1 }, (_, at) => first + at);
}
