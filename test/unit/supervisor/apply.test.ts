import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ServiceSpec } from "../../../src/core/spec.ts";
import { invalidFields } from "../../../src/errors.ts";
import { type ApplyOptions, type Definition, Definitions } from "../../../src/supervisor/definitions.ts";
import { accepted, named, never, plainSpec, ready, supervised } from "../../support/supervised.ts";

const file = "/etc/pm.yaml";
const options: ApplyOptions = { names: [], prune: false, force: false, resetOverrides: false };

type Specs = Readonly<Record<string, ServiceSpec>>;

/** A supervisor, and files that say what the test lets them say. */
function withFiles(own = "") {
  const all = supervised();
  const says = new Map<string, Specs | Error>();
  const read = async ({ path }: { path: string }): Promise<Definition> => {
    const specs = says.get(path) ?? {};
    if (specs instanceof Error) throw specs;
    return { source: path, services: Object.entries(specs).map(([name, spec]) => ({ namespace: "default", name, spec })) };
  };
  const definitions = new Definitions({ supervisor: all.supervisor, read, wallTime: () => 1000, own: { path: own, problems: [] } });
  const apply = async (specs: Specs | Error, how: Partial<ApplyOptions> & { fingerprint?: string } = {}, path = file) => {
    says.set(path, specs);
    const applied = definitions.apply({ path }, { ...options, ...how }, accepted, never);
    // What is awaited may need time to pass; what was refused is the test's to see.
    await Promise.race([applied.catch(() => undefined), all.host.pass(60_000)]);
    const answer = await applied;
    await all.host.pass(60_000);
    return answer;
  };
  const plan = async (specs: Specs, how: Partial<ApplyOptions> = {}, path = file) => {
    says.set(path, specs);
    return definitions.plan({ path }, { ...options, ...how });
  };
  const effects = async (specs: Specs, how: Partial<ApplyOptions> = {}) =>
    Object.fromEntries((await plan(specs, how)).services.map(({ key, effect }) => [key.replace("default/", ""), effect]));
  const pids = (name: string) => all.services.find(`default/${name}`)?.instances.flatMap(({ run }) => run?.pid ?? []);
  return { ...all, definitions, says, apply, plan, effects, pids };
}

function command(program: string, more: Partial<ServiceSpec> = {}): ServiceSpec {
  const spec = plainSpec(more);
  return { ...spec, process: { ...spec.process, command: { argv: [program], shell: "", args: [] } } };
}

describe("apply", () => {
  test("makes what is new, replaces what is different, and leaves the rest alone", async () => {
    const { apply, pids, services } = withFiles();
    await apply({ same: command("a"), other: command("a"), labelled: command("a") });
    const before = { same: pids("same"), other: pids("other"), labelled: pids("labelled") };
    const { results } = await apply({ same: command("a"), other: command("b"), labelled: command("a", { labels: { x: "y" } }), fresh: command("a") });
    expect(results.map(({ name, outcome }) => [name, outcome])).toEqual([
      ["default/fresh", "accepted"],
      ["default/labelled", "accepted"],
      ["default/other", "accepted"],
      ["default/same", "unchanged"],
    ]);
    expect([pids("same"), pids("labelled")]).toEqual([before.same, before.labelled]);
    expect(pids("other")).not.toEqual(before.other);
    expect(pids("fresh")).toEqual([expect.any(Number)]);
    expect(services.get("labelled").spec.labels).toEqual({ x: "y" });
    expect(services.get("same").generation).toBe(1);
  });

  test("starts and stops instances, and those that stay keep their processes", async () => {
    const { apply, pids, host } = withFiles();
    await apply({ web: command("a", { instances: 2 }) });
    const [first, second] = pids("web") ?? [];
    await apply({ web: command("a", { instances: 3 }) });
    expect(pids("web")).toEqual([first, second, expect.any(Number)]);
    await apply({ web: command("a") });
    expect(pids("web")).toEqual([first]);
    expect(host.alive.length).toBe(1);
  });

  test("starts again what had given up, when what it runs is different", async () => {
    const { apply, services, host } = withFiles();
    host.onLaunch = (run) => (run.order.definition.spec.process.command.argv[0] === "broken" ? run.end({ status: 1 }) : run.spawn());
    const restart = { ...plainSpec().restart, mode: "never" as const };
    await apply({ web: command("broken", { restart }) });
    expect(services.get("web").state()).toBe("failed");
    await apply({ web: command("whole", { restart }) });
    expect(services.get("web").state()).toBe("running");
  });

  test("removes what the file does not have any more only when it prunes, and forgets it when nothing of it is left", async () => {
    const { apply, services, host, store } = withFiles();
    await apply({ web: command("a"), old: command("a") });
    await apply({ web: command("a") });
    expect(services.find("default/old")?.state()).toBe("running");
    await apply({ web: command("a") }, { prune: true });
    expect(services.find("default/old")).toBeUndefined();
    expect(host.alive.length).toBe(1);
    expect(store.listRevisions("default", "old")).toEqual([]);
  });

  test("begins what is new only when what goes is gone", async () => {
    const { apply, host, says, definitions } = withFiles();
    await apply({ old: command("a") });
    host.newest.onAsk = () => undefined;
    says.set(file, { fresh: command("a") });
    const applied = definitions.apply({ path: file }, { ...options, prune: true }, ready, never);
    await host.pass(5000);
    expect(host.alive.map(({ order }) => order.service)).toEqual(["old"]);
    await host.pass(10_000);
    await applied;
    expect(host.alive.map(({ order }) => order.service)).toEqual(["fresh"]);
  });

  test("is all or nothing: one service that cannot be is none that is changed", async () => {
    const { apply, services, host, store } = withFiles();
    await apply({ web: command("a") });
    host.obstacle = "no such program";
    await expect(apply({ web: command("b"), fresh: command("b") })).rejects.toThrow(
      "cannot start fresh: no such program; cannot start web: no such program",
    );
    host.obstacle = undefined;
    const logs = { ...plainSpec().process.logs, stdout: "/x/out.log" };
    const clash = { ...command("a"), process: { ...command("a").process, logs } };
    await expect(apply({ web: command("b"), one: clash, two: clash })).rejects.toThrow("/x/out.log is written by one already");
    store.failure = new Error("disk full");
    await expect(apply({ web: command("b"), fresh: command("b") })).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
    expect(services.sorted().map(({ key, generation }) => [key, generation])).toEqual([["default/web", 1]]);
    expect(host.launched.length).toBe(1);
  });

  test("of a plan that is stale is refused, and nothing is changed", async () => {
    const { apply, plan, services, supervisor } = withFiles();
    await apply({ web: command("a") });
    const { fingerprint } = await plan({ web: command("b") });
    await expect(apply({ web: command("c") }, { fingerprint })).rejects.toMatchObject({ reason: "PLAN_STALE" });
    await expect(apply({ web: command("b") }, { fingerprint, prune: true })).rejects.toMatchObject({ reason: "PLAN_STALE" });
    await supervisor.stop(named("web"), {}, accepted, never);
    await expect(apply({ web: command("b") }, { fingerprint })).rejects.toMatchObject({ reason: "PLAN_STALE" });
    expect(services.get("web").generation).toBe(1);
    const again = await plan({ web: command("b") });
    await apply({ web: command("b") }, { fingerprint: again.fingerprint });
    expect(services.get("web").generation).toBe(2);
  });

  test("keeps what operators said, and takes it back when that is asked for", async () => {
    const { apply, services, supervisor, host, plan } = withFiles();
    await apply({ web: command("a"), api: command("a") });
    await supervisor.stop(named("web"), {}, accepted, never);
    await supervisor.scale("api", 3, accepted, never);
    await host.pass(5000);
    await apply({ web: command("b"), api: command("b") });
    expect(services.get("web").state()).toBe("stopped");
    expect(services.get("api").instancesDesired).toBe(3);
    expect((await plan({ web: command("b"), api: command("b") })).services.map(({ drift }) => drift)).toEqual([
      ["scaled to 3 by an operator: the file says 1"],
      ["stopped by an operator"],
    ]);
    await apply({ web: command("b"), api: command("b") }, { resetOverrides: true });
    expect(services.get("web").state()).toBe("running");
    expect(services.get("api").instances.length).toBe(1);
    expect(services.get("api").stored.overrides).toEqual({ stoppedInstances: [] });
  });

  test("of some names changes only those", async () => {
    const { apply, services } = withFiles();
    await apply({ web: command("a"), api: command("a") });
    await apply({ web: command("b"), api: command("b"), fresh: command("b") }, { names: ["web"], prune: true });
    expect(services.sorted().map(({ key, generation }) => [key, generation])).toEqual([
      ["default/api", 1],
      ["default/web", 2],
    ]);
    await expect(apply({ web: command("a") }, { names: ["wbe"] })).rejects.toMatchObject({ reason: "NOT_FOUND" });
  });
});

describe("a service has one owner", () => {
  test("what was made over the API or by another file is refused, and taken over by force", async () => {
    const { apply, services, supervisor } = withFiles();
    await supervisor.create({ namespace: "default", name: "web", spec: command("a") }, accepted, never);
    await expect(apply({ web: command("a"), fresh: command("a") })).rejects.toMatchObject({ reason: "OTHER_OWNER", metadata: { owner: "" } });
    expect(services.find("default/fresh")).toBeUndefined();
    await apply({ web: command("a") }, { force: true });
    expect(services.get("web").stored).toMatchObject({ source: file, generation: 1 });
    await expect(apply({ web: command("a") }, {}, "/etc/other.yaml")).rejects.toThrow("web belongs to /etc/pm.yaml: change it there, or use force");
  });

  test("what a file defines is changed and deleted over the API only by force", async () => {
    const { apply, services, supervisor, host } = withFiles();
    await apply({ web: command("a") });
    await supervisor.create({ namespace: "default", name: "mine", spec: command("a") }, accepted, never);
    await expect(supervisor.update("web", command("b"), { leaveRunning: false }, accepted, never)).rejects.toMatchObject({ reason: "OTHER_OWNER" });
    const results = supervisor.delete(named("web", "mine"), { validateOnly: false }, ready, never);
    await host.pass(5000);
    expect(await results).toMatchObject([
      { name: "default/mine", outcome: "done" },
      { name: "default/web", outcome: "failed", error: { reason: "OTHER_OWNER" } },
    ]);
    await supervisor.update("web", command("b"), { leaveRunning: false, force: true }, accepted, never);
    expect(services.get("web").stored).toMatchObject({ source: file, generation: 2 });
    const deleted = supervisor.delete(named("web"), { validateOnly: false, force: true }, ready, never);
    await host.pass(5000);
    expect(await deleted).toMatchObject([{ outcome: "done" }]);
  });
});

describe("a file that is not valid any more", () => {
  test("changes nothing, and is told of all that it defines until it is valid again", async () => {
    const { apply, services, definitions } = withFiles(file);
    await apply({ web: command("a") });
    await apply({ api: command("a") }, {}, "/etc/other.yaml");
    const broken = invalidFields([
      { field: "/etc/pm.yaml:3:1 services", message: "no such key" },
      { field: "/etc/pm.yaml:4:1", message: "worse" },
    ]);
    await expect(apply(broken)).rejects.toBe(broken);
    const conditions = () => services.list().map(({ name, conditions }) => [name, conditions.map(({ type }) => type)]);
    expect(conditions()).toEqual([
      ["api", []],
      ["web", ["file_invalid"]],
    ]);
    expect(services.get("web").view().conditions[0]?.message).toBe(
      "its file is not valid, and what it said before holds: /etc/pm.yaml:3:1 services: no such key (and 1 more)",
    );
    expect(definitions.own).toMatchObject({ problems: ["/etc/pm.yaml:3:1 services: no such key", "/etc/pm.yaml:4:1: worse"] });
    await apply({ web: command("a") });
    expect(conditions().flatMap(([, types]) => types)).toEqual([]);
    expect(definitions.own).toEqual({ path: file, readAt: 1000, problems: [] });
  });
});

describe("rollback", () => {
  test("gives a service the spec that it had before, as drift from its file", async () => {
    const { apply, services, definitions, plan, host, pids } = withFiles();
    await apply({ web: command("a") });
    await apply({ web: command("b") });
    const before = pids("web");
    await definitions.rollback("web", 0, accepted, never);
    await host.pass(5000);
    expect(services.get("web").spec.process.command.argv).toEqual(["a"]);
    expect(pids("web")).not.toEqual(before);
    expect(definitions.revisions("web").map(({ generation, origin }) => [generation, origin])).toEqual([
      [3, "rollback to 1"],
      [2, file],
      [1, file],
    ]);
    expect((await plan({ web: command("b") })).services).toMatchObject([{ effect: "restart", drift: ["changed by rollback to 1"] }]);
    await apply({ web: command("b") });
    await definitions.rollback("web", 3, accepted, never);
    expect(services.get("web").spec.process.command.argv).toEqual(["a"]);
  });

  test("to a revision that there is not is refused", async () => {
    const { apply, definitions } = withFiles();
    await apply({ web: command("a") });
    expect(() => definitions.rollback("web", 0, accepted, never)).toThrow("web has no earlier revision: what is known is 1");
    expect(() => definitions.rollback("web", 7, accepted, never)).toThrow("web has no revision 7: what is known is 1");
  });

  test("the last 20 revisions are kept", async () => {
    const { apply, definitions } = withFiles();
    for (let n = 1; n <= 23; n++) await apply({ web: command("a", { description: String(n) }) });
    expect(definitions.revisions("web").map(({ generation }) => generation)).toEqual(Array.from({ length: 20 }, (_, index) => 23 - index));
  });
});

const anySpec = fc
  .record({
    program: fc.constantFrom("a", "b"),
    instances: fc.integer({ min: 0, max: 2 }),
    autostart: fc.boolean(),
    description: fc.constantFrom("", "x"),
  })
  .map(({ program, ...more }) => command(program, more));
const anyFile = fc.dictionary(fc.constantFrom("a", "b", "c", "d"), anySpec);

test("after an apply services are what the file says, a second plan is empty, and what was not to be touched keeps its processes", async () => {
  await fc.assert(
    fc.asyncProperty(anyFile, anyFile, fc.boolean(), async (first, second, prune) => {
      const { apply, effects, services, pids, host } = withFiles();
      await apply(first);
      const before = new Map(Object.keys(first).map((name) => [name, pids(name)]));
      const planned = await effects(second, { prune });
      await apply(second, { prune });
      for (const [name, spec] of Object.entries(second)) expect(services.get(name).spec).toEqual(spec);
      expect(Object.values(await effects(second, { prune })).filter((effect) => effect !== "none")).toEqual([]);
      const left = prune ? Object.keys(second) : [...new Set([...Object.keys(first), ...Object.keys(second)])];
      expect(services.sorted().map(({ name }) => name)).toEqual(left.sort());
      for (const [name, effect] of Object.entries(planned)) {
        const now = pids(name) ?? [];
        const then = before.get(name) ?? [];
        if (effect === "none" || effect === "live") expect(now).toEqual(then);
        if (effect === "scale") expect(now.slice(0, then.length)).toEqual(then.slice(0, now.length));
        if (effect === "restart") expect(now.some((pid) => then.includes(pid))).toBe(false);
      }
      const wanted = services.sorted().reduce((sum, { desired, instancesDesired }) => sum + (desired === "running" ? instancesDesired : 0), 0);
      expect(host.alive.length).toBe(wanted);
    }),
    { numRuns: 60 },
  );
});
