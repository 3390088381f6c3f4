import { TargetResult_Outcome as Outcome, type TargetResult } from "../gen/pm/v1/common_pb.ts";
import { PlannedService_Effect as Effect, type FieldChange, type Plan, type PlannedService } from "../gen/pm/v1/config_service_pb.ts";
import { spokenDuration } from "./figures.ts";
import { describeRunning } from "./results.ts";
import { safeText } from "./safe-text.ts";
import { type Color, paint, type Screen } from "./screen.ts";
import { fitText, padText, textWidth } from "./text-width.ts";
import { counted, shortName } from "./words.ts";

// A plan as a person reads it: a line for each service that is not just as the file says, and one about all the others.
//
//   ~ api  restart  command node old.js → node new.js
//   + web  create
//   = db   stopped by an operator
//   3 services are as the file says

/** What is planned, and after it was done what became of it. */
export function printPlan({ out }: { readonly out: Screen }, { services }: Plan, results?: readonly TargetResult[]): void {
  const byName = new Map(results?.map((result) => [result.name, result]));
  const told = services.filter((service) => isChange(service) || service.drift.length > 0);
  const rows = told.flatMap((service) => {
    const result = byName.get(service.name);
    if (result?.outcome === Outcome.FAILED) return [];
    return [{ service, name: safeText(shortName(service.name)), word: wordOf(service, result) }];
  });
  const width = Math.max(0, ...rows.map(({ name }) => textWidth(name)));
  const wordWidth = Math.max(0, ...rows.map(({ word }) => textWidth(word)));
  for (const { service, name, word } of rows) {
    const [mark, color] = marks[service.effect] ?? ["?", undefined];
    const line = [`${mark} ${padText(name, width)}`, ...(word === "" ? [] : [padText(word, wordWidth)]), detailsOf(service)].join("  ").trimEnd();
    out.write(`${paint(out, color, line)}\n`);
  }
  const same = services.length - told.length;
  if (same > 0) out.write(`${counted(same, "service is", "services are")} as the file says\n`);
  if (services.length === 0) out.write("the file defines no services\n");
}

export function isChange({ effect, conflict }: PlannedService): boolean {
  return effect !== Effect.NONE || conflict !== "";
}

const marks: Record<Effect, readonly [mark: string, color: Color | undefined]> = {
  [Effect.UNSPECIFIED]: ["?", undefined],
  [Effect.NONE]: ["=", "dim"],
  [Effect.LIVE]: ["~", "yellow"],
  [Effect.SCALE]: ["~", "yellow"],
  [Effect.RESTART]: ["~", "yellow"],
  [Effect.CREATE]: ["+", "green"],
  [Effect.DELETE]: ["-", "red"],
};

const words: Record<Effect, readonly [planned: string, done: string]> = {
  [Effect.UNSPECIFIED]: ["", ""],
  [Effect.NONE]: ["", ""],
  [Effect.LIVE]: ["live", "changed"],
  [Effect.SCALE]: ["scale", "scaled"],
  [Effect.RESTART]: ["restart", "restarted"],
  [Effect.CREATE]: ["create", "created"],
  [Effect.DELETE]: ["delete", "deleted"],
};

function wordOf({ effect, conflict }: PlannedService, result: TargetResult | undefined): string {
  if (conflict !== "") return "conflict";
  const [planned, done] = words[effect] ?? ["", ""];
  if (!result) return planned;
  if (effect === Effect.NONE || effect === Effect.DELETE || effect === Effect.LIVE) return done;
  return result.outcome === Outcome.ACCEPTED ? done : `${done}, ${describeRunning(result)}`;
}

function detailsOf({ fields, drift, conflict }: PlannedService): string {
  return [...(conflict === "" ? fields.map(changeOf) : [conflict]), ...drift].map(safeText).join("; ");
}

const widest = 40;

function changeOf({ field, from, to }: FieldChange): string {
  const name = spokenField(field);
  if (from === to) return `${name} changed`;
  if (from === "") return `${name} = ${spokenValue(to)}`;
  return to === "" ? `${name} removed` : `${name} ${spokenValue(from)} → ${spokenValue(to)}`;
}

/** As the file has it, where there is a shorter word. */
function spokenField(field: string): string {
  return field
    .replace(/^process\./, "")
    .replace(/^environment\.vars/, "env")
    .replace(/^environment\.files/, "env_file")
    .replace(/^working_directory/, "cwd")
    .replace(/^command\.(argv|shell)/, "command");
}

function spokenValue(json: string): string {
  const value: unknown = JSON.parse(json);
  return fitText(spoken(value), widest);
}

function spoken(value: unknown): string {
  if (Array.isArray(value)) return value.map(spoken).join(" ");
  if (typeof value !== "string") return JSON.stringify(value);
  const [, seconds] = /^(\d+(?:\.\d+)?)s$/.exec(value) ?? [];
  if (seconds !== undefined) return spokenDuration(Number(seconds) * 1000);
  return /^(MODE|INTERVAL|COMPRESSION|ON_FULL)_[A-Z_]+$/.test(value)
    ? value
        .replace(/^(MODE|INTERVAL|COMPRESSION|ON_FULL)_/, "")
        .toLowerCase()
        .replaceAll("_", "-")
    : value;
}
