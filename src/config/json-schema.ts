import { type DescEnum, type DescField, type DescMessage, getOption, hasOption, type JsonObject, ScalarType } from "@bufbuild/protobuf";
import { type FieldRules, field as fieldOption } from "../../gen/buf/validate/validate_pb.ts";
import { ManifestSchema } from "../../gen/pm/v1/manifest_pb.ts";
import { sizes } from "./proto-json.ts";
import { aliases, environmentKeys, processKeys } from "./sugar.ts";

// What editors know of a file: the messages of the proto, and beside them what sugar.ts lets people write. It is made when the code is generated
// (scripts/write-schema.ts), for only the texts of the protos have the comments. An editor is to help, and pmd judges: where ${…} may stand, the
// schema asks no more than that there is one, and rules about several fields are not in it.

/** By the full name of what they are about. */
export type Comments = ReadonlyMap<string, string>;

export function manifestJsonSchema(comments: Comments): JsonObject {
  const definitions = new Map<string, JsonObject>();
  const root = refTo(ManifestSchema);
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "services of pmd",
    allOf: [root],
    definitions: { ...Object.fromEntries([...definitions].sort(([a], [b]) => (a < b ? -1 : 1))), ...shared },
  };

  function refTo(desc: DescMessage | DescEnum): JsonObject {
    const name = desc.typeName.replace(/^pm\.v1\./, "");
    if (!definitions.has(name)) {
      definitions.set(name, {}); // a message may be a part of itself
      definitions.set(name, desc.kind === "enum" ? enumSchema(desc) : formsOf(desc, messageSchema(desc)));
    }
    return { $ref: `#/definitions/${name}` };
  }

  function messageSchema(desc: DescMessage): ObjectSchema {
    // The other spelling is allowed, and not proposed.
    const others = desc.fields.filter(({ name, jsonName }) => name !== jsonName);
    return {
      ...describe(desc.typeName),
      type: ["object", "null"],
      additionalProperties: false,
      properties: Object.fromEntries(desc.fields.map((field) => [field.name, propertyOf(field)])),
      patternProperties: Object.fromEntries(others.map((field) => [`^${field.jsonName}$`, fieldSchema(field)])),
    };
  }

  function propertyOf(field: DescField): JsonObject {
    const schema = fieldSchema(field);
    // Beside a $ref nothing counts.
    return { ...describe(`${field.parent.typeName}.${field.name}`), ...("$ref" in schema ? { allOf: [schema] } : schema) };
  }

  function fieldSchema(field: DescField): JsonObject {
    if (field.fieldKind === "list") return { type: ["array", "null"], items: singleSchema(field) };
    if (field.fieldKind !== "map") return singleSchema(field);
    const rules = rulesOf(field)?.type;
    const pattern = rules?.case === "map" && rules.value.keys?.type.case === "string" ? rules.value.keys.type.value.pattern : "";
    const entries = { type: ["object", "null"], additionalProperties: singleSchema(field), ...(pattern !== "" && { propertyNames: { pattern } }) };
    return field.scalar === ScalarType.STRING ? { anyOf: [entries, { type: "array", items: { type: "string", pattern: "=" } }] } : entries;
  }

  function singleSchema(field: DescField): JsonObject {
    if (field.message) return field.message.typeName === "google.protobuf.Duration" ? refToShared("duration") : refTo(field.message);
    if (field.enum) return refTo(field.enum);
    if (sizes.has(`${field.parent.typeName}.${field.name}`)) return refToShared("size");
    switch (field.scalar) {
      case ScalarType.STRING:
        return refToShared("text");
      case ScalarType.BOOL:
        return orVariable({ type: "boolean" });
      case ScalarType.DOUBLE:
        return orVariable({ type: "number", ...limitsOf(field) });
      default:
        return orVariable({ type: "integer", ...limitsOf(field) });
    }
  }

  function enumSchema(desc: DescEnum): JsonObject {
    const prefix = desc.sharedPrefix?.toUpperCase() ?? "";
    const names = desc.values.filter(({ number }) => number !== 0).map(({ name }) => name.slice(prefix.length));
    const words = names.map((name) => ({ const: name.toLowerCase().replaceAll("_", "-"), ...describe(`${desc.typeName}.${prefix}${name}`) }));
    const capitals = { type: "string", pattern: `^(${prefix})?(${names.join("|")})$` };
    return { ...describe(desc.typeName), anyOf: [...words, capitals, refToShared("variable")] };
  }

  function describe(name: string): JsonObject {
    const comment = comments.get(name);
    return comment === undefined ? {} : { description: comment };
  }

  /** All that a message may be written as. */
  function formsOf(desc: DescMessage, object: ObjectSchema): JsonObject {
    const more = forms[desc.typeName];
    return more ? more(object, { desc, propertyOf }) : object;
  }
}

interface ObjectSchema extends JsonObject {
  properties: JsonObject;
}

interface FormContext {
  readonly desc: DescMessage;
  readonly propertyOf: (field: DescField) => JsonObject;
}

/** For everything that sugar.ts rewrites, what it may be before. */
export const forms: Readonly<Record<string, (object: ObjectSchema, context: FormContext) => JsonObject>> = {
  "pm.v1.Manifest": (object, { desc, propertyOf }) => ({
    ...object,
    required: ["version"],
    properties: {
      ...object.properties,
      ...environmentProperties(desc, propertyOf),
      include: { ...(object.properties.include as JsonObject), type: ["array", "string", "null"] },
    },
  }),
  "pm.v1.ServiceSpec": (object, { desc, propertyOf }) => {
    const process = messageOf(desc, "process");
    const known = process.fields.filter(({ name }) => processKeys.includes(name));
    const others = known.filter(({ name, jsonName }) => name !== jsonName);
    return {
      ...object,
      properties: {
        ...object.properties,
        ...Object.fromEntries(known.map((field) => [field.name, propertyOf(field)])),
        ...Object.fromEntries(Object.entries(aliases).map(([alias, name]) => [alias, propertyOf(fieldOf(process, name))])),
        ...environmentProperties(process, propertyOf),
        depends_on: { ...(object.properties.depends_on as JsonObject), type: ["object", "array", "string", "null"] },
        after: { ...(object.properties.after as JsonObject), type: ["array", "string", "null"] },
      },
      patternProperties: {
        ...(object.patternProperties as JsonObject),
        ...Object.fromEntries(others.map((field) => [`^${field.jsonName}$`, propertyOf(field)])),
      },
    };
  },
  "pm.v1.Command": (object) => ({ anyOf: [refToShared("text"), { type: "array", items: refToShared("text") }, object] }),
  "pm.v1.EnvFile": (object) => ({ anyOf: [refToShared("text"), object] }),
  "pm.v1.RestartPolicy": (object) => ({ anyOf: [object.properties.policy as JsonObject, object] }),
  "pm.v1.PortSpec": (object) => ({ anyOf: [{ type: "integer", minimum: 1, maximum: 65535 }, refToShared("text"), object] }),
  "pm.v1.Dependency": (object) => ({ anyOf: [object.properties.condition as JsonObject, object] }),
  "pm.v1.LogLineProbe": (object) => ({ anyOf: [refToShared("text"), object] }),
  "pm.v1.OnUnhealthy": (object) => ({ anyOf: [object.properties.action as JsonObject, object] }),
  "pm.v1.StopSpec": (object) => object,
  "pm.v1.ReloadSpec": (object) => object,
};

/** env, env_file …, for the field `environment` of the message. */
function environmentProperties(desc: DescMessage, propertyOf: FormContext["propertyOf"]): JsonObject {
  const environment = messageOf(desc, "environment");
  const properties = Object.entries(environmentKeys).map(([key, name]): [string, JsonObject] => [key, propertyOf(fieldOf(environment, name))]);
  const { env_file: files, ...others } = Object.fromEntries(properties);
  return { ...others, env_file: { ...files, type: ["array", "string", "object", "null"] } };
}

function fieldOf(desc: DescMessage, name: string): DescField {
  const field = desc.fields.find((field) => field.name === name);
  if (!field) throw new Error(`${desc.typeName} has no field ${name}`);
  return field;
}

function messageOf(desc: DescMessage, name: string): DescMessage {
  const { message } = fieldOf(desc, name);
  if (!message) throw new Error(`${desc.typeName}.${name} is no message`);
  return message;
}

function rulesOf(field: DescField): FieldRules | undefined {
  return hasOption(field, fieldOption) ? getOption(field, fieldOption) : undefined;
}

/** Of numbers that have some. */
function limitsOf(field: DescField): JsonObject {
  const rules = rulesOf(field)?.type;
  if (rules?.case !== "uint32" && rules?.case !== "int32" && rules?.case !== "double") return {};
  const { in: allowed, greaterThan, lessThan } = rules.value;
  return {
    ...(allowed.length > 0 && { enum: [...allowed] }),
    ...(greaterThan.case === "gte" && { minimum: greaterThan.value }),
    ...(lessThan.case === "lte" && { maximum: lessThan.value }),
  };
}

function orVariable(schema: JsonObject): JsonObject {
  return { anyOf: [schema, refToShared("variable")] };
}

const variable = "\\$\\{";

/** Kinds of values that many fields have. */
const shared = {
  text: { type: ["string", "number", "boolean"] },
  variable: { type: "string", pattern: variable },
  duration: { type: "string", pattern: `^([0-9]+(\\.[0-9]+)?(ms|[dhms]))+$|${variable}` },
  size: { type: ["integer", "string"], minimum: 0, pattern: `^[0-9]+(\\.[0-9]+)? ?([kKmMgGtT][iI]?)?[bB]?$|${variable}` },
} satisfies JsonObject;

function refToShared(name: keyof typeof shared): JsonObject {
  return { $ref: `#/definitions/${name}` };
}
