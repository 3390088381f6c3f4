import { expect, test } from "vitest";
import { PlannedService_Effect as Effect } from "../../../gen/pm/v1/config_service_pb.ts";
import { fromPlan } from "../../../src/api/convert-plan.ts";
import { planChanges } from "../../../src/core/plan.ts";
import type { ServiceSpec } from "../../../src/core/spec.ts";
import { plainSpec } from "../../support/supervised.ts";

const options = { prune: false, force: false, resetOverrides: false };

function planned(from: ServiceSpec, to: ServiceSpec, { source = "/pm.yaml", force = false } = {}) {
  const present = { key: "default/web", spec: from, source, overrides: { stoppedInstances: [] } };
  const plan = planChanges("/pm.yaml", [{ key: "default/web", spec: to }], [present], { ...options, force });
  return fromPlan({ ...plan, fingerprint: "f" }).services[0];
}

function withVars(vars: Record<string, string>): ServiceSpec {
  const spec = plainSpec();
  return { ...spec, process: { ...spec.process, environment: { ...spec.process.environment, vars } } };
}

test("a change is told in the words of the proto", () => {
  const to = plainSpec({ restart: { ...plainSpec().restart, delayMs: 1000, mode: "never" }, labels: { "app/tier": "web" }, instances: 2 });
  expect(planned(plainSpec(), to)?.fields).toMatchObject([
    { field: "instances", from: "1", to: "2" },
    { field: "restart.policy", from: '"MODE_ALWAYS"', to: '"MODE_NEVER"' },
    { field: "restart.delay", from: '"0.500s"', to: '"1s"' },
    { field: "labels", from: "", to: '{"app/tier":"web"}' },
  ]);
});

test("that a variable changes is told, and its values never", () => {
  const changes = [
    planned(withVars({}), withVars({ KEY: "s3cret" })),
    planned(withVars({ KEY: "s3cret", A: "x" }), withVars({ KEY: "other", "B.C": "y" })),
  ];
  expect(changes.map((change) => change?.fields)).toMatchObject([
    [{ field: "process.environment.vars", from: "", to: '{"KEY":"********"}' }],
    [
      { field: "process.environment.vars.KEY", from: '"********"', to: '"********"' },
      { field: "process.environment.vars.A", from: '"********"', to: "" },
      { field: 'process.environment.vars["B.C"]', from: "", to: '"********"' },
    ],
  ]);
  expect(changes.map((change) => change?.effect)).toEqual([Effect.RESTART, Effect.RESTART]);
  expect(JSON.stringify(changes)).not.toMatch(/s3cret|other/);
});

test("another owner is a conflict, and with force a change of the source", () => {
  expect(planned(plainSpec(), plainSpec(), { source: "" })).toMatchObject({ conflict: "web was made over the API: change it there, or use force" });
  const forced = planned(plainSpec(), plainSpec(), { source: "/other.yaml", force: true });
  expect(forced).toMatchObject({ conflict: "", fields: [{ field: "source", from: '"/other.yaml"', to: '"/pm.yaml"' }] });
});
