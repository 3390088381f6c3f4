import { dirname, resolve } from "node:path";
import { create, fromJson } from "@bufbuild/protobuf";
import { type Manifest as ManifestMessage, ManifestSchema } from "../../gen/pm/v1/manifest_pb.ts";
import { ProcessSpecSchema } from "../../gen/pm/v1/process_pb.ts";
import type { ServiceSpec as ServiceSpecMessage } from "../../gen/pm/v1/service_pb.ts";
import { defaultNamespace } from "../core/names.ts";
import type { ServiceSpec } from "../core/spec.ts";
import { invalidFields, PmError, type Violation } from "../errors.ts";
import { fullBudget } from "./interpolate.ts";
import type { Problem } from "./located.ts";
import { interpolateManifest } from "./manifest-variables.ts";
import { parseYaml } from "./parse-yaml.ts";
import { type Place, type ProtoJson, toProtoJson } from "./proto-json.ts";
import { readText } from "./read-text.ts";

// A file is read in steps, each of which knows nothing of the others:
//   bytes → text → values with places (parse-yaml) → variables written out (interpolate) → the words of the proto (sugar)
//   → its JSON form (proto-json) → a message → the same rules that the API has → specs
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
  const message = fromJson(ManifestSchema, form.json);
  completeManifest(message, file);
  const violations = rules.findViolations(ManifestSchema, message);
  const services = toServices(message, rules, violations);
  problems.push(...toProblems(violations, form, file));
  if (problems.length > 0) throw refusal(problems);
  return { path: file, namespace: message.namespace || defaultNamespace, services };
}

const emptyFile = "says nothing: begin with `version: 1`, and go on with `services:`";

/** A service of a file runs in the file's directory unless told otherwise, and its paths begin there. */
function completeManifest({ services }: ManifestMessage, file: string): void {
  for (const spec of Object.values(services)) {
    spec.process ??= create(ProcessSpecSchema);
    spec.process.workingDirectory = resolve(dirname(file), spec.process.workingDirectory);
  }
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

function toProblems(violations: readonly Violation[], { places, broken }: ProtoJson, file: string): Problem[] {
  return violations
    .filter(({ field }) => !broken.has(field) && !broken.has(""))
    .map(({ field, message }) => ({
      ...(placeOf(field, places) ?? { at: { file, line: 1, column: 1 }, path: "" }),
      message: ownWords(field, message),
    }));
}

/** The place of the field, or of the nearest thing around it that the file has. */
function placeOf(field: string, places: ProtoJson["places"]): Place | undefined {
  for (let known = field; known !== ""; known = known.slice(0, Math.max(0, known.lastIndexOf("."), known.lastIndexOf("[")))) {
    const place = places.get(known);
    if (place) return place;
  }
  return undefined;
}

function ownWords(field: string, message: string): string {
  if (field === "version") return "the file has to say which form it has: `version: 1` is the one that this pmd reads";
  if (field.endsWith(".process.command") && message === "value is required") return "has no command";
  return message;
}

function refusal(problems: readonly Problem[]): PmError {
  const sorted = [...problems].sort((a, b) => a.at.line - b.at.line || a.at.column - b.at.column);
  return invalidFields(
    sorted.map(({ at, path, message }) => ({ field: `${at.file}:${at.line}:${at.column}${path === "" ? "" : ` ${path}`}`, message })),
  );
}
