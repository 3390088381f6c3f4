import { isEqual } from "./equal.ts";

/** One value that is different. */
export interface FieldChange {
  /** `process.stop.grace`, `labels["app/tier"]`. */
  readonly field: string;
  /** Undefined where it is not there. */
  readonly from: unknown;
  readonly to: unknown;
}

/** What is different between two pieces of JSON, in the order of the first. Objects are entered, lists are compared whole. */
export function fieldChanges(from: unknown, to: unknown, field = ""): FieldChange[] {
  if (isEqual(from, to)) return [];
  if (!isObject(from) || !isObject(to)) return [{ field, from, to }];
  const keys = [...new Set([...Object.keys(from), ...Object.keys(to)])];
  return keys.flatMap((key) => fieldChanges(own(from, key), own(to, key), childOf(field, key)));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function own(value: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(value, key) ? value[key] : undefined;
}

function childOf(field: string, key: string): string {
  if (!/^\w+$/.test(key)) return `${field}[${JSON.stringify(key)}]`;
  return field === "" ? key : `${field}.${key}`;
}
