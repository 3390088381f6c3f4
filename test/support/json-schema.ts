import { isDeepStrictEqual } from "node:util";

export type JsonSchema = { readonly [key: string]: unknown };

/** What is wrong with a value, by as much of JSON Schema as our own schema uses: a word that is not known here is an error of the schema. */
export function schemaErrors(root: JsonSchema, value: unknown): string[] {
  return check(root, value, "");

  function check(schema: JsonSchema, value: unknown, path: string): string[] {
    return Object.entries(schema).flatMap(([word, rule]) => checkWord(word, rule, { schema, value, path }));
  }

  function checkWord(word: string, rule: unknown, { schema, value, path }: { schema: JsonSchema; value: unknown; path: string }): string[] {
    const wrong = (holds: boolean) => (holds ? [] : [`${path}: ${word} ${JSON.stringify(rule)} does not hold for ${JSON.stringify(value)}`]);
    const fields = isObject(value) ? Object.entries(value) : [];
    switch (word) {
      case "$schema":
      case "title":
      case "description":
      case "definitions":
        return [];
      case "$ref":
        return check(resolve(root, String(rule)), value, path);
      case "allOf":
        return (rule as JsonSchema[]).flatMap((inner) => check(inner, value, path));
      case "anyOf": {
        const answers = (rule as JsonSchema[]).map((inner) => check(inner, value, path));
        // The answer with the most to say looked deepest.
        return answers.some(({ length }) => length === 0) ? [] : wrong(false).concat(...answers);
      }
      case "type":
        return wrong([rule].flat().some((type) => type === typeOf(value) || (type === "number" && typeOf(value) === "integer")));
      case "const":
        return wrong(isDeepStrictEqual(rule, value));
      case "enum":
        return wrong((rule as unknown[]).some((allowed) => isDeepStrictEqual(allowed, value)));
      case "pattern":
        return wrong(typeof value !== "string" || new RegExp(String(rule), "u").test(value));
      case "minimum":
        return wrong(typeof value !== "number" || value >= Number(rule));
      case "maximum":
        return wrong(typeof value !== "number" || value <= Number(rule));
      case "required":
        return wrong(!isObject(value) || (rule as string[]).every((key) => Object.hasOwn(value, key)));
      case "items":
        return Array.isArray(value) ? value.flatMap((item, index) => check(rule as JsonSchema, item, `${path}/${index}`)) : [];
      case "propertyNames":
        return fields.flatMap(([key]) => check(rule as JsonSchema, key, `${path}/${key}`));
      case "properties":
      case "patternProperties":
        return fields.flatMap(([key, inner]) => schemasFor(schema, key, word).flatMap((found) => check(found, inner, `${path}/${key}`)));
      case "additionalProperties":
        return fields
          .filter(([key]) => [...schemasFor(schema, key, "properties"), ...schemasFor(schema, key, "patternProperties")].length === 0)
          .flatMap(([key, inner]) => (rule === false ? [`${path}/${key}: is not allowed`] : check(rule as JsonSchema, inner, `${path}/${key}`)));
      default:
        throw new Error(`${word} is not known to this validator`);
    }
  }
}

function schemasFor(schema: JsonSchema, key: string, word: "properties" | "patternProperties"): JsonSchema[] {
  const table = (schema[word] ?? {}) as Record<string, JsonSchema>;
  if (word === "properties") return Object.hasOwn(table, key) ? [table[key] as JsonSchema] : [];
  return Object.keys(table)
    .filter((pattern) => new RegExp(pattern, "u").test(key))
    .map((pattern) => table[pattern] as JsonSchema);
}

function resolve(root: JsonSchema, ref: string): JsonSchema {
  const steps = ref.replace(/^#\//, "").split("/");
  const found = steps.reduce<unknown>((at, step) => (at as Record<string, unknown> | undefined)?.[step], root);
  if (!isObject(found)) throw new Error(`${ref} points at nothing`);
  return found;
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return Number.isInteger(value) ? "integer" : typeof value;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeOf(value) === "object";
}
