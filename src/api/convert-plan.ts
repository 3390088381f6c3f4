import { create, type JsonValue, toJson } from "@bufbuild/protobuf";
import {
  PlannedService_Effect as Effect,
  type FieldChange as FieldChangeMessage,
  FieldChangeSchema,
  type Plan as PlanMessage,
  type PlannedService as PlannedMessage,
  PlannedServiceSchema,
  PlanSchema,
} from "../../gen/pm/v1/config_service_pb.ts";
import { ServiceSpecSchema } from "../../gen/pm/v1/service_pb.ts";
import { fieldChanges } from "../core/field-changes.ts";
import { displayName } from "../core/names.ts";
import { conflictsIn, type PlanEffect, type PlannedService } from "../core/plan.ts";
import type { ServiceSpec } from "../core/spec.ts";
import { otherOwner } from "../errors.ts";
import type { NamedPlan } from "../supervisor/definitions.ts";
import { maskedValue } from "./convert-command.ts";
import { fromSpec } from "./convert-spec.ts";

export function fromPlan(plan: NamedPlan): PlanMessage {
  const conflicts = new Set(conflictsIn(plan));
  const services = plan.services.map((service) => fromPlanned(service, plan.source, conflicts.has(service)));
  return create(PlanSchema, { source: plan.source, fingerprint: plan.fingerprint, services });
}

function fromPlanned(service: PlannedService, source: string, isConflict: boolean): PlannedMessage {
  const { key, effect, drift, otherOwner: owner, to } = service;
  const conflict = isConflict ? otherOwner(displayName(key), owner ?? "").message : "";
  return create(PlannedServiceSchema, {
    name: key,
    effect: effectValues[effect],
    fields: changesOf(service, source),
    drift: [...drift],
    conflict,
    defined: to !== undefined,
  });
}

const effectValues = {
  none: Effect.NONE,
  live: Effect.LIVE,
  scale: Effect.SCALE,
  restart: Effect.RESTART,
  create: Effect.CREATE,
  delete: Effect.DELETE,
} satisfies Record<PlanEffect, Effect>;

function changesOf({ from, to, otherOwner: owner }: PlannedService, source: string): FieldChangeMessage[] {
  if (!from || !to) return [];
  const changes = fieldChanges(jsonOf(from), jsonOf(to)).map(({ field, from, to }) => ({
    field,
    from: textOf(field, from),
    to: textOf(field, to),
  }));
  const taken = owner === undefined ? [] : [{ field: "source", from: owner === "" ? "" : JSON.stringify(owner), to: JSON.stringify(source) }];
  return [...taken, ...changes].map((change) => create(FieldChangeSchema, change));
}

/** With the values of variables, so that a change of one is seen. */
function jsonOf(spec: ServiceSpec): JsonValue {
  return toJson(ServiceSpecSchema, fromSpec(spec, "revealed"), { useProtoFieldName: true });
}

const variables = "process.environment.vars";

function textOf(field: string, value: unknown): string {
  if (value === undefined) return "";
  if (field === variables) return JSON.stringify(Object.fromEntries(Object.keys(value as object).map((name) => [name, maskedValue])));
  return JSON.stringify(field.startsWith(variables) ? maskedValue : value);
}
