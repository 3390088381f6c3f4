import { resolve } from "node:path";
import { fromJson, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import { type Manifest as ManifestMessage, ManifestSchema } from "../../gen/pm/v1/manifest_pb.ts";
import type { ServiceSpec as ServiceSpecMessage } from "../../gen/pm/v1/service_pb.ts";
import { defaultNamespace } from "../core/names.ts";
import type { ServiceSpec } from "../core/spec.ts";
import { invalidFields, PmError, type Violation } from "../errors.ts";
import { type Inheritance, inheritanceOf, noInheritance, serviceUnder } from "./inheritance.ts";
import { fullBudget } from "./interpolate.ts";
import type { Problem } from "./located.ts";
import { interpolateManifest } from "./manifest-variables.ts";
import { parseYaml } from "./parse-yaml.ts";
import { type Place, type ProtoJson, toProtoJson } from "./proto-json.ts";
import { readText } from "./read-text.ts";

// A file is read in steps, each of which knows nothing of the others:
//   bytes → text → values with places (parse-yaml) → variables written out (interpolate) → the words of the proto (sugar)
//   → its JSON form (proto-json) → what is said for all services put under each (inheritance) → a message → the same rules that the API has → specs
// What is wrong is collected on the way, and told all at once, with line and column.

/** What a configuration file asks for. */
export interface LoadedManifest {
  readonly path: string;
  readonly namespace: string;
  readonly services: readonly { readonly name: string; readonly spec: ServiceSpec }[];
}

/** The rules of the API, which hold for files too. src/api has them: findViolations and toSpec. */
export interface Rules {
  findViolations(schema: typeof ManifestSchema, message: ManifestMessage): Violation[];
  toSpec(message: ServiceSpecMessage, context: { field: string }): ServiceSpec;
}

/** `environment` is where ${…} is looked up that the file does not say itself. */
export async function loadManifest(path: string, rules: Rules, environment: NodeJS.ProcessEnv = process.env): Promise<LoadedManifest> {
  const file = resolve(path);
  return readManifest(readText(file), file, rules, environment);
}

/** The same from text; `file` is where it comes from, for messages and for what is relative to it. */
export async function readManifest(text: string, file: string, rules: Rules, environment: NodeJS.ProcessEnv = process.env): Promise<LoadedManifest> {
  const { root, problems } = parseYaml(text, file);
  if (!root) throw refusal(problems.length > 0 ? problems : [{ at: { file, line: 1, column: 1 }, path: "", message: emptyFile }]);
  const lookUp = (name: string) => (Object.hasOwn(environment, name) ? environment[name] : undefined);
  const form = toProtoJson(ManifestSchema, interpolateManifest(root, file, { lookUp, problems, budget: fullBudget() }).root, problems);
  const inheritance = boundedInheritance(inheritanceOf(form, file, noInheritance), form, file, problems);
  const message = fromJson(ManifestSchema, completeManifest(form.json, inheritance, file));
  const violations = rules.findViolations(ManifestSchema, message);
  const services = toServices(message, rules, violations);
  problems.push(...toProblems(violations, form, inheritance, file));
  if (problems.length > 0) throw refusal(problems);
  return { path: file, namespace: message.namespace || defaultNamespace, services };
}

const emptyFile = "says nothing: begin with `version: 1`, and go on with `services:`";

/** What services have in common is written out for each of them: a few lines could fill the memory. */
const maxShared = 2_000_000;

function boundedInheritance(inheritance: Inheritance, { json }: ProtoJson, file: string, problems: Problem[]): Inheritance {
  const services = Object.keys((json.services ?? {}) as JsonObject).length;
  if (countValues(inheritance.spec) * services <= maxShared) return inheritance;
  problems.push({ at: { file, line: 1, column: 1 }, path: "", message: `says more than ${maxShared} values for its ${services} services in common` });
  return noInheritance;
}

function countValues(value: JsonValue | undefined): number {
  if (typeof value !== "object" || value === null) return 1;
  return Object.values(value).reduce((sum: number, inner) => sum + countValues(inner), 1);
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
      return { name, spec: rules.toSpec(service, { field: `services[${JSON.stringify(name)}]` }) };
    } catch (error) {
      if (!(error instanceof PmError)) throw error;
      violations.push(...error.violations.filter(({ field }) => !violations.some((known) => known.field === field)));
      return [];
    }
  });
}

function toProblems(violations: readonly Violation[], { places, broken }: ProtoJson, inheritance: Inheritance, file: string): Problem[] {
  if (broken.has("")) return [];
  return violations
    .filter(({ field }) => !broken.has(field) && !inheritance.broken.has(fieldOfService(field)))
    .map(({ field, message }) => ({
      ...(placeOf(field, places, inheritance) ?? { at: { file, line: 1, column: 1 }, path: "" }),
      message: ownWords(field, message),
    }));
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
  if (field.endsWith(".process.command") && message === "value is required") return "has no command";
  return message;
}

function refusal(problems: readonly Problem[]): PmError {
  const sorted = [...problems].sort((a, b) => a.at.line - b.at.line || a.at.column - b.at.column);
  const violations = sorted.map(({ at, path, message }) => ({
    field: `${at.file}:${at.line}:${at.column}${path === "" ? "" : ` ${path}`}`,
    message,
  }));
  // What is wrong with a default is wrong with each service.
  return invalidFields([...new Map(violations.map((violation) => [JSON.stringify(violation), violation])).values()]);
}
