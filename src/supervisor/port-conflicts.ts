import { displayName, serviceKey } from "../core/names.ts";
import { sharedPort } from "../core/ports.ts";
import { type PmError, portInUse } from "../errors.ts";
import type { StoredService } from "./store.ts";

type Listener = Pick<StoredService, "namespace" | "name" | "spec">;

/** A fixed port has one owner: which of the services that are wanted would have the port of another of them, or of one that is there. */
export function findPortConflicts(wanted: readonly Listener[], present: Iterable<Listener>): PmError[] {
  const keys = new Set(wanted.map(keyOf));
  const owners = [...present].filter((service) => hasFixedPort(service) && !keys.has(keyOf(service)));
  const conflicts: PmError[] = [];
  for (const service of wanted.filter(hasFixedPort)) {
    const shared = owners.flatMap((other) => {
      const port = sharedPort(service.spec.process.port, other.spec.process.port);
      return port === undefined ? [] : [portInUse(port, displayName(keyOf(other)))];
    });
    conflicts.push(...shared.slice(0, 1));
    owners.push(service);
  }
  return conflicts;
}

function hasFixedPort({ spec }: Listener): boolean {
  return spec.process.port?.auto === false;
}

function keyOf({ namespace, name }: Listener): string {
  return serviceKey(namespace, name);
}
