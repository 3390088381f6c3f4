import { fromJson, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import { type Manifest as ManifestMessage, ManifestSchema } from "../../gen/pm/v1/manifest_pb.ts";
import type { ServiceSpec as ServiceSpecMessage } from "../../gen/pm/v1/service_pb.ts";
import type { ServiceSpec } from "../core/spec.ts";
import { PmError, type Violation } from "../errors.ts";
import { type Inheritance, inheritanceOf, noInheritance, serviceUnder } from "./inheritance.ts";
import type { LookUp, Variables } from "./interpolate.ts";
import { type Problem, startOf } from "./located.ts";
import { interpolateManifest } from "./manifest-variables.ts";
import { parseText } from "./parse-text.ts";
import { type Place, type ProtoJson, toProtoJson } from "./proto-json.ts";

// A file is read in steps, each of which knows nothing of the others:
//   text → values with places (parse-yaml) → variables written out (interpolate) → the words of the proto (sugar) → its JSON form (proto-json)
//   → what is said for all services put under each (inheritance) → a message → the same rules that the API has → specs
// What is wrong is collected on the way, with line and column.

/** The rules of the API, which hold for files too. src/api has them: findViolations and toSpec. */
export interface Rules {
  findViolations(schema: typeof ManifestSchema, message: ManifestMessage): Violation[];
  toSpec(message: ServiceSpecMessage, context: { field: string }): ServiceSpec;
}

export interface FileContext {
  readonly rules: Rules;
  /** What the files say that include it. */
  readonly above: Inheritance;
  readonly variables: Variables;
  /** How much may still be written out for services in common. */
  readonly common: { values: number };
}

/** What one file says; what it includes is not looked at. */
export interface ConvertedFile {
  readonly services: readonly { readonly name: string; readonly spec: ServiceSpec; readonly place: Place }[];
  readonly namespace: { readonly name: string; readonly place: Place } | undefined;
  readonly includes: readonly { readonly path: string; readonly place: Place }[];
  readonly inheritance: Inheritance;
  readonly lookUp: LookUp;
  /** All services that it names, also those that are wrong. */
  readonly names: readonly string[];
  /** Where a field of one of its services is said, as violations spell it. */
  readonly placeIn: (field: string) => Place;
}

/** Undefined when it cannot be read at all. */
export function convertFile(text: string, file: string, { rules, above, variables, common }: FileContext): ConvertedFile | undefined {
  const { problems } = variables;
  const parsed = parseText(text, file);
  problems.push(...parsed.problems);
  if (!parsed.root) {
    if (parsed.problems.length === 0) problems.push({ ...startOf(file), message: emptyFile });
    return undefined;
  }
  const { root, lookUp } = interpolateManifest(parsed.root, file, variables);
  const form = toProtoJson(ManifestSchema, root, problems);
  const inheritance = boundedInheritance(inheritanceOf(form, file, above), form, file, { problems, common });
  const message = fromJson(ManifestSchema, completeManifest(form.json, inheritance, file));
  const violations = rules.findViolations(ManifestSchema, message);
  const services = toServices(message, rules, violations);
  problems.push(...toProblems(violations, form, inheritance, file));
  const placeIn = (field: string): Place => placeOf(field, form.places, inheritance) ?? startOf(file);
  return {
    services: services.map((service) => ({ ...service, place: placeIn(fieldOf(service.name)) })),
    namespace: message.namespace === "" ? undefined : { name: message.namespace, place: placeIn("namespace") },
    // One without a name has been found by the rules.
    includes: message.include.map((path, index) => ({ path, place: placeIn(`include[${index}]`) })).filter(({ path }) => path !== ""),
    inheritance,
    lookUp,
    names: Object.keys(message.services),
    placeIn,
  };
}

const emptyFile = "says nothing: begin with `version: 1`, and go on with `services:`";

/** What services have in common is written out for each of them, and a few lines could fill the memory: so many values are too many. */
export const maxCommonValues = 2_000_000;

function boundedInheritance(
  inheritance: Inheritance,
  { json }: ProtoJson,
  file: string,
  { problems, common }: { problems: Problem[]; common: FileContext["common"] },
): Inheritance {
  const services = Object.keys((json.services ?? {}) as JsonObject).length;
  common.values -= countValues(inheritance.spec) * services;
  if (common.values >= 0) return inheritance;
  problems.push({ ...startOf(file), message: `has ${services} services, for which more than ${maxCommonValues} values are said in common` });
  return noInheritance;
}

function countValues(value: JsonValue | undefined): number {
  if (typeof value !== "object" || value === null) return 1;
  return Object.values(value).reduce((sum: number, inner) => sum + countValues(inner), 0);
}

/** With what is said for all services under each of them, and nowhere else. */
function completeManifest({ defaults, environment, services, ...json }: JsonObject, inheritance: Inheritance, file: string): JsonObject {
  const entries = Object.entries((services ?? {}) as Record<string, JsonObject>);
  return { ...json, services: Object.fromEntries(entries.map(([name, service]) => [name, serviceUnder(inheritance, service, file)])) };
}

/** Adds to the violations what only a conversion can tell, such as signals that this host does not have. */
function toServices(message: ManifestMessage, rules: Rules, violations: Violation[]): { name: string; spec: ServiceSpec }[] {
  return Object.entries(message.services).flatMap(([name, service]) => {
    try {
      return { name, spec: rules.toSpec(service, { field: fieldOf(name) }) };
    } catch (error) {
      if (!(error instanceof PmError)) throw error;
      violations.push(...error.violations.filter(({ field }) => !violations.some((known) => known.field === field)));
      return [];
    }
  });
}

function fieldOf(service: string): string {
  return `services[${JSON.stringify(service)}]`;
}

function toProblems(violations: readonly Violation[], { places, broken }: ProtoJson, inheritance: Inheritance, file: string): Problem[] {
  if (broken.has("")) return [];
  return violations
    .filter(({ field }) => !broken.has(field) && !inheritance.broken.has(fieldOfService(field)))
    .map(({ field, message }) => ({ ...(placeOf(field, places, inheritance) ?? startOf(file)), message: ownWords(field, message) }));
}

/** The place of the field, or of the nearest thing around it that the file has. */
function placeOf(field: string, places: ProtoJson["places"], inheritance: Inheritance): Place | undefined {
  for (let known = field; known !== ""; known = known.slice(0, Math.max(0, known.lastIndexOf("."), known.lastIndexOf("[")))) {
    const place = places.get(known) ?? inheritance.places.get(fieldOfService(known));
    if (place) return place;
  }
  return undefined;
}

/** `services["web"].process.stop` is `process.stop` of a service; empty for what is none of a service. */
function fieldOfService(field: string): string {
  return /^services\["(?:[^"\\]|\\.)*"\]\.(.*)$/s.exec(field)?.[1] ?? "";
}

function ownWords(field: string, message: string): string {
  if (field === "version") return "the file has to say which form it has: `version: 1` is the one that this pmd reads";
  if (message === "value is required") return `has no ${field.slice(field.lastIndexOf(".") + 1)}`;
  return message;
}
