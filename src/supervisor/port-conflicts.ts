import { displayName, serviceKey } from "../core/names.ts";
import { sharedPort } from "../core/ports.ts";
import { type PmError, portInUse } from "../errors.ts";
import type { StoredService } from "./store.ts";

type Listener = Pick<StoredService, "namespace" | "name" | "spec">;

/** A fixed port has one owner: which of the services that are wanted would have the port of another of them, or of one that is there. */
export function findPortConflicts(wanted: readonly Listener[], present: Iterable<Listener>): PmError[] {
  const keys = new Set(wanted.map(keyOf));
  const owners = [...present].filter((service) => !keys.has(keyOf(service)));
  return wanted.flatMap((service, at) => {
    for (const other of [...owners, ...wanted.slice(0, at)]) {
      const shared = sharedPort(service.spec.process.port, other.spec.process.port);
      if (shared !== undefined) return [portInUse(shared, displayName(keyOf(other)))];
    }
    return [];
  });
}

function keyOf({ namespace, name }: Listener): string {
  return serviceKey(namespace, name);
}
