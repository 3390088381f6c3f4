import { type DescEnum, type DescField, type DescMessage, getOption, hasOption, isFieldSet, type MessageShape, ScalarType } from "@bufbuild/protobuf";
import { message as messageOption } from "../../gen/buf/validate/validate_pb.ts";
import type { Violation } from "../errors.ts";
import { type Check, type RulesOfField, rulesOf } from "./field-rules.ts";

// All that is wrong with a message, found in one walk: what the options of buf.validate in the proto forbid, and two things more that no field of any
// message may hold, so that no field can lack the rule.
//   - A string has no NUL byte: the kernel would take a command, a variable or a path only up to there.
//   - An enum has a value that this pmd knows: a state of the future, read as "any state", would select more than was meant.

/** Fields are spelled as in the proto. */
export function findViolations<Schema extends DescMessage>(schema: Schema, message: MessageShape<Schema>): Violation[] {
  const violations: Violation[] = [];
  searchMessage(schema, message as Fields, "", violations);
  return violations;
}

type Fields = Readonly<Record<string, unknown>>;

function searchMessage(schema: DescMessage, message: Fields, path: string, violations: Violation[]): void {
  const { fields, rules } = planFor(schema);
  for (const { holds, message: text } of rules) if (!holds(message)) violations.push({ field: path, message: text });
  for (const plan of fields) searchField(plan, message, path === "" ? plan.field.name : `${path}.${plan.field.name}`, violations);
}

function searchField({ field, rules }: FieldPlan, message: Fields, path: string, violations: Violation[]): void {
  const value = fieldValue(field, message);
  if (rules.required && !isFieldSet(message as never, field)) {
    violations.push({ field: path, message: "value is required" });
    return;
  }
  if (value === undefined) return;
  if (rules.whole.length > 0) apply(rules.whole, value, path, violations);
  if (field.fieldKind === "list") {
    (value as unknown[]).forEach((item, index) => {
      searchValue(field, rules.items, item, `${path}[${index}]`, violations);
    });
  } else if (field.fieldKind === "map") {
    for (const [key, item] of Object.entries(value as Fields)) {
      const entry = `${path}[${JSON.stringify(key)}]`;
      searchString(key, entry, violations);
      apply(rules.keys, key, entry, violations);
      searchValue(field, rules.items, item, entry, violations);
    }
  } else {
    searchValue(field, [], value, path, violations);
  }
}

function searchValue(field: DescField, checks: readonly Check[], value: unknown, path: string, violations: Violation[]): void {
  apply(checks, value, path, violations);
  if (typeof value === "string") searchString(value, path, violations);
  else if (field.enum) searchEnum(field.enum, value as number, path, violations);
  else if (field.message) searchMessage(field.message, value as Fields, path, violations);
}

function apply(checks: readonly Check[], value: unknown, field: string, violations: Violation[]): void {
  for (const check of checks) {
    const message = check(value);
    if (message !== undefined) violations.push({ field, message });
  }
}

function searchString(value: string, field: string, violations: Violation[]): void {
  if (value.includes("\0")) violations.push({ field, message: "has a NUL byte, and would end there" });
}

function searchEnum(schema: DescEnum, value: number, field: string, violations: Violation[]): void {
  if (!schema.value[value]) violations.push({ field, message: `${value} is no value of ${schema.typeName}` });
}

function fieldValue(field: DescField, message: Fields): unknown {
  if (!field.oneof) return message[field.localName] ?? undefined;
  const chosen = message[field.oneof.localName] as { case?: string; value?: unknown };
  return chosen.case === field.localName ? chosen.value : undefined;
}

interface FieldPlan {
  readonly field: DescField;
  readonly rules: RulesOfField;
}

interface MessageRule {
  readonly message: string;
  readonly holds: (message: Fields) => boolean;
}

const plans = new WeakMap<DescMessage, { readonly fields: readonly FieldPlan[]; readonly rules: readonly MessageRule[] }>();

/** Most numbers, booleans and bytes have nothing to look for. */
function planFor(schema: DescMessage) {
  let plan = plans.get(schema);
  if (!plan) {
    const all = schema.fields.map((field) => ({ field, rules: rulesOf(field) }));
    plan = { fields: all.filter(hasWork), rules: messageRules(schema) };
    plans.set(schema, plan);
  }
  return plan;
}

function hasWork({ field, rules }: FieldPlan): boolean {
  const hasInside = field.fieldKind === "map" || field.message !== undefined || field.enum !== undefined || field.scalar === ScalarType.STRING;
  return hasInside || rules.required || rules.whole.length + rules.items.length > 0;
}

/** The rules about several fields are written in CEL, for those who read the proto with it; here they are again. */
const holdsById: ReadonlyMap<string, (message: Fields) => boolean> = new Map([
  ["command.one_form", ({ argv, shell }: Fields) => (argv as unknown[]).length > 0 !== (shell !== "")],
  ["reload.one_method", ({ signal, command }: Fields) => (signal !== "") !== (command !== undefined)],
  ["health_check.one_probe", ({ http, tcp, exec, grpc, logLine }: Fields) => [http, tcp, exec, grpc, logLine].filter(Boolean).length === 1],
  ["on_unhealthy.one_reaction", ({ action, signal }: Fields) => action === 0 || signal === ""],
]);

function messageRules(schema: DescMessage): MessageRule[] {
  if (!hasOption(schema, messageOption)) return [];
  return getOption(schema, messageOption).cel.map(({ id, message }) => {
    const holds = holdsById.get(id);
    if (!holds) throw new Error(`the rule ${id} of ${schema.typeName} is not known here`);
    return { message, holds };
  });
}
