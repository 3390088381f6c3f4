import { type DescField, getOption, hasOption, isMessage, type Message } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { type Duration, DurationSchema } from "@bufbuild/protobuf/wkt";
import { type FieldRules, FieldRulesSchema, field as fieldOption, MapRulesSchema, RepeatedRulesSchema } from "../../gen/buf/validate/validate_pb.ts";

// What the option buf.validate.field says, made into functions. The whole of its language takes an interpreter of CEL, which would be a third
// of the memory of pmd; these are the rules that our protos use, and one that is not known here is an error as soon as its message is met.
// test/unit/api/violations.test.ts compares the answers with those of protovalidate.

/** Says what is wrong with a value; undefined: nothing. */
export type Check = (value: unknown) => string | undefined;

export interface RulesOfField {
  readonly required: boolean;
  /** Of the value, or of the list or map as a whole. */
  readonly whole: readonly Check[];
  readonly items: readonly Check[];
  readonly keys: readonly Check[];
}

const none: RulesOfField = { required: false, whole: [], items: [], keys: [] };

export function rulesOf(field: DescField): RulesOfField {
  if (!hasOption(field, fieldOption)) return none;
  const rules = getOption(field, fieldOption);
  const own = { required: rules.required, whole: checksOf(rules), items: [], keys: [] };
  switch (rules.type.case) {
    case "repeated":
      return { ...own, items: checksOf(rules.type.value.items) };
    case "map":
      return { ...own, items: checksOf(rules.type.value.values), keys: checksOf(rules.type.value.keys) };
    default:
      return own;
  }
}

function checksOf(rules: FieldRules | undefined): Check[] {
  if (!rules) return [];
  return setFields(reflect(FieldRulesSchema, rules)).flatMap(([name, typeRules]) => {
    if (name === "required") return [];
    if (!isReflected(typeRules)) throw new Error(`buf.validate.field.${name} is not known here`);
    return setFields(typeRules).flatMap(([rule, limit]) => {
      const isOfItems =
        (typeRules.desc === RepeatedRulesSchema && rule === "items") || (typeRules.desc === MapRulesSchema && /^(keys|values)$/.test(rule));
      return isOfItems ? [] : [checkFor(`${name}.${rule}`, limit)];
    });
  });
}

function setFields(message: ReflectMessage): [name: string, value: unknown][] {
  return message.fields.filter((field) => message.isSet(field)).map((field) => [field.name, message.get(field)]);
}

function isReflected(value: unknown): value is ReflectMessage {
  return typeof value === "object" && value !== null && "desc" in value && "isSet" in value;
}

function checkFor(rule: string, limit: unknown): Check {
  const [type = "", word = ""] = rule.split(".");
  switch (rule) {
    case "string.pattern":
      return checkPattern(new RegExp(String(limit), "u"));
    case "string.min_len":
      return (value) => ([...String(value)].length >= Number(limit) ? undefined : `must be at least ${limit} characters long`);
    case "string.max_len":
      return (value) =>
        String(value).length <= Number(limit) || [...String(value)].length <= Number(limit) ? undefined : `must be at most ${limit} characters long`;
    case "string.max_bytes":
      return (value) => (Buffer.byteLength(String(value)) <= Number(limit) ? undefined : `must be at most ${limit} bytes long`);
    case "repeated.min_items":
      return (value) => ((value as unknown[]).length >= Number(limit) ? undefined : `must have at least ${limit} items`);
    case "repeated.max_items":
      return (value) => ((value as unknown[]).length <= Number(limit) ? undefined : `must have at most ${limit} items`);
    case "map.max_pairs":
      return (value) => (Object.keys(value as object).length <= Number(limit) ? undefined : `must have at most ${limit} entries`);
    default:
      if (type === "duration" && isReflected(limit)) return compare(word, limit.message, rule);
      if (/^(u?int(32|64)|double)$/.test(type)) return word === "in" ? checkIn([...(limit as Iterable<unknown>)]) : compare(word, limit, rule);
      throw new Error(`the rule ${rule} of buf.validate is not known here`);
  }
}

function checkIn(allowed: readonly unknown[]): Check {
  return (value) => (allowed.includes(value) ? undefined : `must be ${allowed.join(" or ")}, not ${value}`);
}

function compare(word: string, limit: unknown, rule: string): Check {
  const bound = magnitude(limit);
  const [holds, text] = comparison(word, rule);
  const told = typeof limit === "object" ? `${bound}s` : String(limit);
  return (value) => {
    if (holds(magnitude(value), bound)) return undefined;
    return `must be ${text} ${told}${typeof value === "object" ? "" : `, not ${value}`}`;
  };
}

function comparison(word: string, rule: string): [holds: (a: number, b: number) => boolean, text: string] {
  switch (word) {
    case "lt":
      return [(a, b) => a < b, "less than"];
    case "lte":
      return [(a, b) => a <= b, "less than or equal to"];
    case "gt":
      return [(a, b) => a > b, "greater than"];
    case "gte":
      return [(a, b) => a >= b, "greater than or equal to"];
    default:
      throw new Error(`the rule ${rule} of buf.validate is not known here`);
  }
}

/** Limits are small; what a number of 64 bits loses as a double does not matter to them. */
function magnitude(value: unknown): number {
  if (!isMessage(value as Message, DurationSchema)) return Number(value);
  const { seconds, nanos } = value as Duration;
  return Number(seconds) + nanos / 1e9;
}

/** A pattern tells programs what is wrong; this tells people. */
const patternMeanings: ReadonlyMap<string, string> = new Map([
  ["^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$", "is no name: give up to 63 letters, digits, dots, dashes and underscores, the first a letter or digit"],
  [
    "^[A-Za-z0-9][A-Za-z0-9_./-]{0,62}$",
    "is no label: give up to 63 letters, digits, dots, dashes, slashes and underscores, the first a letter or digit",
  ],
  ["^[A-Za-z_][A-Za-z0-9_.-]{0,254}$", "is no name of a variable: give letters, digits, dots, dashes and underscores, the first no digit"],
  ["^(SIG)?[A-Z][A-Z0-9+-]{1,9}$|^[1-9][0-9]?$", "is no signal: give a name such as SIGTERM, or a number"],
]);

function checkPattern(pattern: RegExp): Check {
  const meaning = patternMeanings.get(pattern.source.replace(/^\^\$\|/, "").replaceAll("\\/", "/")) ?? `does not match ${pattern.source}`;
  return (value) => (pattern.test(String(value)) ? undefined : `${quote(String(value))} ${meaning}`);
}

/** Short enough to be read, and on one line. */
function quote(value: string): string {
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 79)}…"` : text;
}
