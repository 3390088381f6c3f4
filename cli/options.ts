import type { Command } from "commander";
import { Failure, usageError } from "./failure.ts";
import { parseDuration } from "./quantities.ts";

// What several verbs take alike. A verb says in its own file which of these it takes.

export const selectorHelp = `A NAME is a service (web), one in another namespace (prod/web), one instance (web#1), or a pattern ('web-*').`;

export function selectorOptions(command: Command): Command {
  return command
    .option("--all", "every service of the namespace; the word all says the same")
    .option("-l, --label <name=value>", "only those with this label; may be repeated", collectPair, undefined)
    .option("--state <state>", "only those in this state; may be repeated", collect, undefined)
    .option("-N, --namespace <namespace>", "where names belong that do not say; '*' is everywhere");
}

export function waitOptions(command: Command): Command {
  return durationOption(
    command.option("--no-wait", "answer when the wish is stored, not when it has come true", true),
    "--timeout <duration>",
    "wait no longer than this",
  );
}

export const outputFormats = ["table", "wide", "json", "jsonl", "name"] as const;
export type OutputFormat = (typeof outputFormats)[number];

export interface OutputOptions {
  readonly output?: OutputFormat;
  readonly json?: boolean;
}

export function outputOptions(command: Command, formats: readonly OutputFormat[] = outputFormats): Command {
  return command
    .option("-o, --output <format>", `how to print: ${formats.join(", ")}`, (text) => parseFormat(text, formats))
    .option("--json", "short for -o json: the answer of pmd as it is");
}

export function formatOf({ output, json }: OutputOptions): OutputFormat {
  if (json && output && output !== "json") throw usageError(`--json and -o ${output}: say one of them`);
  return json ? "json" : (output ?? "table");
}

function parseFormat(text: string, formats: readonly OutputFormat[]): OutputFormat {
  const found = formats.find((format) => format === text);
  if (!found) throw usageError(`-o: ${JSON.stringify(text)} is no format of this verb: say ${formats.join(", ")}`);
  return found;
}

export function durationOption(command: Command, flags: string, description: string): Command {
  return command.option(flags, description, named(flags, parseDuration));
}

/** A parser whose complaints name the option. */
export function named<T>(flags: string, parse: (text: string) => T): (text: string) => T {
  const option = flags
    .replace(/ *<.*$/, "")
    .split(", ")
    .at(-1);
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw error instanceof Failure ? usageError(`${option}: ${error.message}`) : error;
    }
  };
}

export function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, ...text.split(",")];
}

/** One a time, because a comma may be part of it. */
export function collectOne(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

export function collectPair(text: string, before: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  const at = text.indexOf("=");
  if (at < 1) throw usageError(`--label: ${JSON.stringify(text)} is no label: say name=value`);
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}
