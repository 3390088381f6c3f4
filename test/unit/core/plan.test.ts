import { describe, expect, test } from "vitest";
import { conflictsIn, type PlanOptions, type PresentService, planChanges } from "../../../src/core/plan.ts";
import type { ServiceSpec } from "../../../src/core/spec.ts";
import { plainSpec } from "../../support/supervised.ts";

const file = "/etc/pm.yaml";
const plain: PlanOptions = { prune: false, force: false, resetOverrides: false };

function present(spec: ServiceSpec, more: Partial<PresentService> = {}): PresentService {
  return { key: "default/web", spec, source: file, overrides: { stoppedInstances: [] }, ...more };
}

function effectOf(from: PresentService | undefined, to: ServiceSpec, options: Partial<PlanOptions> = {}) {
  const plan = planChanges(file, [{ key: "default/web", spec: to }], from ? [from] : [], { ...plain, ...options });
  return plan.services[0]?.effect;
}

const spec = plainSpec();
const other = plainSpec({ process: { ...spec.process, command: { argv: ["other"], shell: "", args: [] } } });

describe("the effect on processes", () => {
  test.each([
    ["a service that is new is created", undefined, spec, "create"],
    ["one that is the same is left alone", present(spec), plainSpec(), "none"],
    ["a label touches no process", present(spec), plainSpec({ labels: { tier: "web" } }), "live"],
    ["a restart policy touches no process", present(spec), plainSpec({ restart: { ...spec.restart, delayMs: 1 } }), "live"],
    [
      "a grace period touches no process",
      present(spec),
      plainSpec({ process: { ...spec.process, stop: { ...spec.process.stop, graceMs: 1 } } }),
      "live",
    ],
    ["another command replaces what runs", present(spec), other, "restart"],
    [
      "another command of what is stopped touches no process",
      present(spec, { overrides: { desired: "stopped", stoppedInstances: [] } }),
      other,
      "live",
    ],
    ["more instances leave those that run", present(spec), plainSpec({ instances: 3 }), "scale"],
    ["more instances of another command replace those that run", present(spec), { ...other, instances: 3 }, "restart"],
    [
      "a number of instances that operators have overruled touches none",
      present(spec, { overrides: { instances: 4, stoppedInstances: [] } }),
      plainSpec({ instances: 3 }),
      "live",
    ],
    ["what is not to be started with pmd any more is stopped", present(spec), plainSpec({ autostart: false }), "scale"],
    [
      "what an operator has started runs on",
      present(plainSpec({ autostart: false }), { overrides: { desired: "running", stoppedInstances: [] } }),
      spec,
      "live",
    ],
  ] as const)("%s", (_, from, to, effect) => {
    expect(effectOf(from, to)).toBe(effect);
  });

  test("what runs from an older spec is replaced, though the spec is the same", () => {
    const stale = present(spec, { stale: true });
    expect(effectOf(stale, spec)).toBe("restart");
    expect(planChanges(file, [{ key: "default/web", spec }], [stale], plain).services).toMatchObject([{ drift: ["runs from an older spec"] }]);
  });

  test("what operators said is taken back only when that is asked for", () => {
    const stopped = present(spec, { overrides: { desired: "stopped", stoppedInstances: [] } });
    expect(effectOf(stopped, spec)).toBe("none");
    expect(effectOf(stopped, spec, { resetOverrides: true })).toBe("scale");
  });
});

describe("ownership", () => {
  test("only what the same file owns is deleted, and only when it prunes", () => {
    const mine = present(spec, { key: "default/old" });
    const others = [present(spec, { key: "default/api", source: "" }), present(spec, { key: "default/db", source: "/etc/other.yaml" })];
    expect(planChanges(file, [], [mine, ...others], { ...plain, prune: true }).services).toMatchObject([{ key: "default/old", effect: "delete" }]);
    const [kept, ...more] = planChanges(file, [], [mine, ...others], plain).services;
    expect(kept).toMatchObject({ key: "default/old", effect: "none", drift: ["not in the file any more: it stays until it is pruned"] });
    expect(more).toEqual([]);
  });

  test("what another owner has made is a conflict, also when it is the same, and force takes it over", () => {
    for (const source of ["", "/etc/other.yaml"]) {
      const wanted = [{ key: "default/web", spec }];
      expect(conflictsIn(planChanges(file, wanted, [present(spec, { source })], plain))).toMatchObject([{ key: "default/web", otherOwner: source }]);
      const forced = planChanges(file, wanted, [present(spec, { source })], { ...plain, force: true });
      expect(conflictsIn(forced)).toEqual([]);
      expect(forced.services).toMatchObject([{ effect: "live" }]);
    }
  });
});

describe("drift", () => {
  test.each([
    [{ desired: "stopped", stoppedInstances: [] }, ["stopped by an operator"]],
    [{ instances: 4, stoppedInstances: [] }, ["scaled to 4 by an operator: the file says 1"]],
    [{ stoppedInstances: [0, 2] }, ["without #0 #2: stopped by an operator"]],
    [{ desired: "running", instances: 1, stoppedInstances: [] }, []],
  ] as const)("of %j is %j", (overrides, drift) => {
    const wanted = [{ key: "default/web", spec }];
    expect(planChanges(file, wanted, [present(spec, { overrides })], plain).services).toMatchObject([{ drift }]);
    expect(planChanges(file, wanted, [present(spec, { overrides })], { ...plain, resetOverrides: true }).services).toMatchObject([{ drift: [] }]);
  });

  test("tells who has changed what the file says otherwise", () => {
    const plan = (origin: string) => planChanges(file, [{ key: "default/web", spec }], [present(other, { origin })], plain).services[0];
    expect(plan("")).toMatchObject({ effect: "restart", drift: ["changed over the API"] });
    expect(plan("rollback to 2")).toMatchObject({ drift: ["changed by rollback to 2"] });
    expect(plan(file)).toMatchObject({ drift: [] });
  });
});
