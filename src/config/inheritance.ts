import { dirname, resolve } from "node:path";
import type { DescMessage, JsonObject, JsonValue } from "@bufbuild/protobuf";
import { ServiceSpecSchema } from "../../gen/pm/v1/service_pb.ts";
import { parseReference } from "../core/value-reference.ts";
import type { Place, ProtoJson } from "./proto-json.ts";

// What a file says for all of its services is a spec like theirs, which lies under each of them. It is in the JSON form, where what was said can
// be told from what was not; and it brings its places along, so that what is wrong with it is told where it stands.

export interface Inheritance {
  /** The JSON form of a ServiceSpec. */
  readonly spec: JsonObject;
  /** By the path of the field within a service: `process.stop.signal`. */
  readonly places: ReadonlyMap<string, Place>;
  readonly broken: ReadonlySet<string>;
}

export const noInheritance: Inheritance = { spec: {}, places: new Map(), broken: new Set() };

/** What a file says in `defaults` and `environment`, on top of what the one says that includes it. */
export function inheritanceOf({ json, places, broken }: ProtoJson, file: string, above: Inheritance): Inheritance {
  const { environment = {}, defaults = {} } = json as { environment?: JsonObject; defaults?: JsonObject };
  const { inherit, files = [], vars = {} } = environment as { inherit?: boolean; files?: { path: string }[]; vars?: Record<string, string> };
  const said = inherit === undefined ? {} : { process: { environment: { inherit } } };
  const own = mergeSpecs(ServiceSpecSchema, said, atPlace(defaults, directoryOf(file)));
  const spec = mergeSpecs(ServiceSpecSchema, above.spec, own);
  const layers = sharedBy(above.spec);
  const at = (path: string) => path && resolve(directoryOf(file), path);
  const layer = { files: files.map((entry) => ({ ...entry, path: at(entry.path) })), vars: withReferences(vars, at) };
  const isEmpty = files.length === 0 && Object.keys(vars).length === 0;
  const fieldIn = (field: string) => fieldInService(field, layers.length);
  return {
    spec: isEmpty ? spec : mergeSpecs(ServiceSpecSchema, spec, { process: { environment: { shared: [...layers, layer] } } }),
    places: new Map([...above.places, ...[...places].flatMap(([field, place]) => fieldIn(field).map((inner) => [inner, place] as const))]),
    broken: new Set([...above.broken, ...[...broken].flatMap(fieldIn)]),
  };
}

function withReferences(vars: Readonly<Record<string, string>>, at: (path: string) => string): JsonObject {
  const values = Object.entries(vars).map(([name, value]) => {
    const reference = parseReference(value);
    return [name, reference?.kind === "file" ? `@file://${at(reference.path)}` : value];
  });
  return Object.fromEntries(values);
}

/** `defaults.process.stop` is `process.stop` of a service, `environment.vars` is the layer of that number. */
function fieldInService(field: string, layer: number): string[] {
  if (field === "environment.inherit") return ["process.environment.inherit"];
  const [, where, rest = ""] = /^(defaults|environment)\.(.*)$/s.exec(field) ?? [];
  if (where === undefined) return [];
  return [where === "defaults" ? rest : `process.environment.shared[${layer}].${rest}`];
}

function sharedBy(spec: JsonObject): JsonValue[] {
  const { process } = spec as { process?: { environment?: { shared?: JsonValue[] } } };
  return process?.environment?.shared ?? [];
}

/** A directory is relative to that of the file, and where nobody says it, it is that. */
export function serviceUnder({ spec }: Inheritance, service: JsonObject, file: string): JsonObject {
  const directory = directoryOf(file);
  return mergeSpecs(
    ServiceSpecSchema,
    mergeSpecs(ServiceSpecSchema, { process: { working_directory: directory } }, spec),
    atPlace(service, directory),
  );
}

function directoryOf(file: string): string {
  return resolve(dirname(file));
}

function atPlace(service: JsonObject, directory: string): JsonObject {
  const { process } = service as { process?: { working_directory?: string } };
  if (process?.working_directory === undefined) return service;
  return { ...service, process: { ...process, working_directory: resolve(directory, process.working_directory) } };
}

/** One thing, though a message: half of one and half of another would be neither. */
const wholes = new Set(["pm.v1.Command", "pm.v1.ReloadSpec", "pm.v1.PortSpec", "pm.v1.HealthCheck", "pm.v1.OnUnhealthy"]);

/** The JSON form of a message, field by field: messages and mappings are merged, everything else is what `over` says. */
export function mergeSpecs(schema: DescMessage, under: JsonObject, over: JsonObject): JsonObject {
  if (wholes.has(schema.typeName)) return over;
  const merged: JsonObject = { ...under };
  for (const [name, value] of Object.entries(over)) {
    const field = schema.fields.find((field) => field.name === name);
    const before = merged[name];
    for (const other of field?.oneof?.fields ?? []) delete merged[other.name];
    if (!field || !isObject(before) || !isObject(value)) merged[name] = value;
    else if (field.fieldKind === "map") merged[name] = mergeMaps(field.message, before, value);
    else merged[name] = field.message ? mergeSpecs(field.message, before, value) : value;
  }
  return merged;
}

function mergeMaps(schema: DescMessage | undefined, under: JsonObject, over: JsonObject): JsonObject {
  const entries = Object.entries(over).map(([key, value]): [string, JsonValue] => {
    const before = Object.hasOwn(under, key) ? under[key] : undefined;
    return [key, schema && isObject(before) && isObject(value) ? mergeSpecs(schema, before, value) : value];
  });
  // Not by assignment: __proto__ is a key like any other.
  return Object.fromEntries([...Object.entries(under), ...entries]);
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
