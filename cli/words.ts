import type { DescEnum } from "@bufbuild/protobuf";
import { StateSchema } from "../gen/pm/v1/common_pb.ts";
import { usageError } from "./failure.ts";

/** The value of an enum in lower case and without its prefix: STATE_RUNNING is `running`, TYPE_CRASH_LOOP `crash loop`. */
export function enumWord(schema: DescEnum, value: number): string {
  return schema.value[value]?.localName.toLowerCase().replaceAll("_", " ") ?? `unknown (${value})`;
}

export function enumWords(schema: DescEnum): string[] {
  return schema.values.filter(({ number }) => number !== 0).map(({ localName }) => localName.toLowerCase().replaceAll("_", "-"));
}

export function parseEnumWord(schema: DescEnum, text: string, what: string): number {
  const wanted = text.toUpperCase().replaceAll("-", "_");
  const found = schema.values.find(({ localName, number }) => localName === wanted && number !== 0);
  if (!found) throw usageError(`${JSON.stringify(text)} is no ${what}: say one of ${enumWords(schema).join(", ")}`);
  return found.number;
}

export function stateWord(state: number): string {
  return enumWord(StateSchema, state);
}

/** The default namespace goes without saying: `default/web#1` is `web#1`. */
export function shortName(fullName: string): string {
  return fullName.startsWith("default/") ? fullName.slice("default/".length) : fullName;
}

export function serviceName(service: { readonly namespace: string; readonly name: string }): string {
  return shortName(`${service.namespace || "default"}/${service.name}`);
}

/** `one thing`, `2 things`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
