import type { DescEnum, DescField, DescMessage, JsonObject, JsonValue } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import { parseDuration } from "../core/duration.ts";
import { findSimilar } from "../core/similar.ts";
import { parseSize } from "../core/size.ts";
import { childPath, kindOf, type Located, type LocatedEntry, type LocatedMap, type LocatedScalar, type Position, type Problem } from "./located.ts";
import { extraKeys, sugar } from "./sugar.ts";

/** Where a field of the message stands in the file, in the file's own words. */
export interface Place {
  readonly at: Position;
  readonly path: string;
}

export interface ProtoJson {
  readonly json: JsonObject;
  /** By the path of the field, as violations spell it: `services["web"].process.stop`. */
  readonly places: ReadonlyMap<string, Place>;
  /** Fields that lack something because it was wrong. That they lack it is not to be told as well. */
  readonly broken: ReadonlySet<string>;
}

/** Fields in bytes, which may be written as sizes. */
export const sizes = new Set(["pm.v1.LogRotation.size", "pm.v1.LogRotation.total_size", "pm.v1.ServiceSpec.restart_above"]);

interface Where {
  /** As violations spell it. */
  readonly field: string;
  /** As the file spells it. */
  readonly path: string;
}

/** Makes the JSON form of a message of what a file says. Everything that the message has no place for is a problem. */
export function toProtoJson(schema: DescMessage, root: Located, problems: Problem[]): ProtoJson {
  const places = new Map<string, Place>();
  const broken = new Set<string>();
  const json = messageOf(schema, root, { field: "", path: "" });
  return { json: json ?? {}, places, broken };

  function messageOf(schema: DescMessage, node: Located, where: Where): JsonObject | undefined {
    const written = sugar[schema.typeName]?.(node) ?? node;
    if (written.kind === "scalar" && written.value === null) return {};
    if (written.kind !== "map") return wrong(node, where, "a mapping");
    const json: JsonObject = {};
    const seen = new Map<DescField, LocatedEntry>();
    for (const entry of written.entries) {
      const path = childPath(where.path, entry.writtenAs ?? entry.key);
      const field = schema.fields.find(({ name, jsonName }) => entry.key === name || entry.key === jsonName);
      if (!field) {
        problems.push({ at: entry.keyAt, path, message: unknownKey(schema, entry.key) });
        continue;
      }
      const inner = { path, field: where.field === "" ? field.name : `${where.field}.${field.name}` };
      const first = seen.get(field);
      if (first) {
        problems.push({
          at: entry.keyAt,
          path,
          message: `${spelling(entry)} says the same as ${spelling(first)} in line ${first.keyAt.line}: keep one`,
        });
        continue;
      }
      seen.set(field, entry);
      if (entry.writtenAs !== "") places.set(inner.field, { at: entry.keyAt, path });
      const value = fieldOf(field, entry.value, inner);
      if (value !== undefined) json[field.name] = value;
      // A rule of the message as a whole may miss it. What is said of an entry is said of its key.
      else if (broken.has(inner.field) && where.field !== "" && !where.field.endsWith("]")) broken.add(where.field);
    }
    return json;
  }

  function fieldOf(field: DescField, node: Located, where: Where): JsonValue | undefined {
    if (field.fieldKind === "list") return listOf(field, node, where);
    if (field.fieldKind === "map") return mapOf(field, node, where);
    return singleOf(field, node, where);
  }

  function listOf(field: DescField, node: Located, where: Where): JsonValue | undefined {
    if (node.kind === "scalar" && node.value === null) return undefined;
    if (node.kind !== "list") return wrong(node, where, "a list");
    const items = node.items.map((item, index) => {
      const inner = { field: `${where.field}[${index}]`, path: `${where.path}[${index}]` };
      places.set(inner.field, { at: item.at, path: inner.path });
      return singleOf(field, item, inner);
    });
    if (items.includes(undefined)) broken.add(where.field);
    return items.filter((item) => item !== undefined);
  }

  function mapOf(field: DescField, node: Located, where: Where): JsonValue | undefined {
    if (node.kind === "scalar" && node.value === null) return undefined;
    const pairs = node.kind === "list" && field.scalar === ScalarType.STRING ? pairsOf(node.items, where) : undefined;
    const entries = node.kind === "map" ? node.entries : pairs;
    if (!entries) return wrong(node, where, "a mapping");
    const json: JsonObject = {};
    for (const { key, keyAt, value } of entries) {
      const inner = { field: `${where.field}[${JSON.stringify(key)}]`, path: childPath(where.path, key) };
      places.set(inner.field, { at: keyAt, path: inner.path });
      const converted = singleOf(field, value, inner);
      // Defined rather than assigned: __proto__ is a key like any other.
      if (converted !== undefined) Object.defineProperty(json, key, { value: converted, enumerable: true, configurable: true, writable: true });
    }
    return json;
  }

  /** `[A=1, B=2]` is a mapping too. */
  function pairsOf(items: readonly Located[], where: Where): LocatedMap["entries"] {
    return items.flatMap((item, index) => {
      const [, key, text] = (item.kind === "scalar" && /^([^=]+)=(.*)$/s.exec(item.text)) || [];
      if (key !== undefined && text !== undefined) return { key, keyAt: item.at, value: { kind: "scalar", at: item.at, value: text, text } };
      return wrong(item, { field: where.field, path: `${where.path}[${index}]` }, "NAME=value") ?? [];
    });
  }

  function singleOf(field: DescField, node: Located, where: Where): JsonValue | undefined {
    if (field.message) return field.message.typeName === "google.protobuf.Duration" ? durationOf(node, where) : messageOf(field.message, node, where);
    if (node.kind !== "scalar") return wrong(node, where, field.enum ? "a word" : wordFor(field.scalar));
    if (node.value === null) return wrong(node, where, field.enum ? "a word" : wordFor(field.scalar));
    if (field.enum) return enumOf(field.enum, node, where);
    if (sizes.has(`${field.parent.typeName}.${field.name}`)) return sizeOf(node, where);
    return scalarOf(field.scalar, node, where);
  }

  function durationOf(node: Located, where: Where): JsonValue | undefined {
    const ms = node.kind === "scalar" && typeof node.value === "string" ? parseDuration(node.value) : undefined;
    if (ms !== undefined) return `${Math.floor(ms / 1000)}.${String(ms % 1000).padStart(3, "0")}s`;
    if (node.kind === "scalar" && typeof node.value === "number") {
      return report(node.at, where.path, where.field, `${node.text} has no unit: write ${node.text}s or ${node.text}ms`);
    }
    return wrong(node, where, "a duration such as 500ms, 90s or 1h30m");
  }

  function sizeOf(node: LocatedScalar, where: Where): JsonValue | undefined {
    const bytes = typeof node.value === "boolean" ? undefined : parseSize(node.text);
    return bytes === undefined ? wrong(node, where, "a size such as 4096, 512K or 10MiB") : String(bytes);
  }

  function enumOf(schema: DescEnum, node: LocatedScalar, where: Where): JsonValue | undefined {
    const wanted = node.text.toUpperCase().replaceAll("-", "_");
    const prefix = schema.sharedPrefix?.toUpperCase() ?? "";
    const value = schema.values.find(({ name, number }) => number !== 0 && (name === wanted || name === prefix + wanted));
    if (value) return value.name;
    const words = schema.values.filter(({ number }) => number !== 0).map(({ name }) => name.slice(prefix.length).toLowerCase().replaceAll("_", "-"));
    return report(node.at, where.path, where.field, `is ${quote(node.text)}, and may be ${words.join(", ")}${meant(node.text, words)}`);
  }

  function scalarOf(type: ScalarType | undefined, node: LocatedScalar, where: Where): JsonValue | undefined {
    switch (type) {
      case ScalarType.STRING:
        return node.text.isWellFormed() ? node.text : wrong(node, where, "text without halves of characters");
      case ScalarType.BOOL:
        return typeof node.value === "boolean" ? node.value : wrong(node, where, wordFor(type));
      case ScalarType.DOUBLE:
        return typeof node.value === "number" && Number.isFinite(node.value) ? node.value : wrong(node, where, wordFor(type));
      default:
        return isInteger(node.value, type) ? node.value : wrong(node, where, wordFor(type));
    }
  }

  function wrong(node: Located, where: Where, expected: string): undefined {
    const found = node.kind === "scalar" && typeof node.value === "string" ? quote(node.value) : kindOf(node);
    return report(node.at, where.path, where.field, `is ${found}, and should be ${expected}`);
  }

  function report(at: Position, path: string, field: string, message: string): undefined {
    broken.add(field);
    problems.push({ at, path, message });
  }
}

/** As the file has it, also for what stands for entries below it. */
function spelling({ key, writtenAs, value }: LocatedEntry): string {
  const [inner] = writtenAs === "" && value.kind === "map" ? value.entries : [];
  return inner ? spelling(inner) : (writtenAs ?? key);
}

function isInteger(value: LocatedScalar["value"], type: ScalarType | undefined): value is number {
  if (typeof value !== "number" || !Number.isSafeInteger(value)) return false;
  if (type === ScalarType.INT32) return value >= -(2 ** 31) && value < 2 ** 31;
  return value >= 0 && (type !== ScalarType.UINT32 || value < 2 ** 32);
}

function wordFor(type: ScalarType | undefined): string {
  switch (type) {
    case ScalarType.STRING:
      return "text";
    case ScalarType.BOOL:
      return "true or false";
    case ScalarType.DOUBLE:
      return "a number";
    case ScalarType.INT32:
      return "a whole number";
    default:
      return "a whole number, 0 or more";
  }
}

function unknownKey(schema: DescMessage, key: string): string {
  const known = [...schema.fields.map(({ name }) => name), ...(extraKeys[schema.typeName] ?? [])];
  return `is no key that is known here${meant(key, known)}`;
}

function meant(text: string, words: readonly string[]): string {
  const similar = findSimilar(text, words);
  return similar.length > 0 ? `; did you mean ${similar.join(" or ")}?` : "";
}

function quote(text: string): string {
  const quoted = JSON.stringify(text);
  return quoted.length > 60 ? `${quoted.slice(0, 59)}…` : quoted;
}
