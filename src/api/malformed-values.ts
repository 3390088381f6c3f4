import { type DescEnum, type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import type { Violation } from "../errors.ts";

// Two rules that hold for every field of every message, so that no field can lack them.
//   - A string has no NUL byte: the kernel would take a command, a variable or a path only up to there.
//   - An enum has a value that this pmd knows: a state of the future, read as "any state", would select more than was meant.

/** Fields that hold what no field may hold, with their paths as in the proto. */
export function findMalformedValues(schema: DescMessage, message: Message): Violation[] {
  const violations: Violation[] = [];
  searchMessage(schema, message as unknown as Record<string, unknown>, "", violations);
  return violations;
}

function searchMessage(schema: DescMessage, message: Record<string, unknown>, path: string, violations: Violation[]): void {
  for (const field of searchedFields(schema)) {
    const value = fieldValue(field, message);
    if (value === undefined || value === null) continue;
    const here = path === "" ? field.name : `${path}.${field.name}`;
    if (field.fieldKind === "list") {
      (value as unknown[]).forEach((item, index) => {
        searchValue(field, item, `${here}[${index}]`, violations);
      });
    } else if (field.fieldKind === "map") {
      for (const [key, item] of Object.entries(value)) {
        const entry = `${here}[${JSON.stringify(key)}]`;
        searchString(key, entry, violations);
        searchValue(field, item, entry, violations);
      }
    } else {
      searchValue(field, value, here, violations);
    }
  }
}

function searchValue(field: DescField, value: unknown, path: string, violations: Violation[]): void {
  if (typeof value === "string") searchString(value, path, violations);
  else if (field.enum) searchEnum(field.enum, value as number, path, violations);
  else if (field.message) searchMessage(field.message, value as Record<string, unknown>, path, violations);
}

function searchString(value: string, path: string, violations: Violation[]): void {
  if (value.includes("\0")) violations.push({ field: path, message: "has a NUL byte, and would end there" });
}

function searchEnum(schema: DescEnum, value: number, path: string, violations: Violation[]): void {
  if (!schema.value[value]) violations.push({ field: path, message: `${value} is no value of ${schema.typeName}` });
}

function fieldValue(field: DescField, message: Record<string, unknown>): unknown {
  if (!field.oneof) return message[field.localName];
  const chosen = message[field.oneof.localName] as { case?: string; value?: unknown };
  return chosen.case === field.localName ? chosen.value : undefined;
}

const searched = new WeakMap<DescMessage, DescField[]>();

/** Numbers, booleans and bytes have nothing to look for. */
function searchedFields(schema: DescMessage): DescField[] {
  let fields = searched.get(schema);
  if (!fields) {
    fields = schema.fields.filter((field) => field.fieldKind === "map" || field.message || field.enum || field.scalar === ScalarType.STRING);
    searched.set(schema, fields);
  }
  return fields;
}
