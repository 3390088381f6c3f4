import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type DependencyInstance,
  type Edge,
  edgesOf,
  findCycles,
  findGraphFaults,
  type Graph,
  go,
  leavingWith,
  mayStart,
  reversed,
  type Standing,
  standingOf,
  startedAlong,
  type Verdict,
} from "../../../src/core/dependencies.ts";
import type { Dependency } from "../../../src/core/spec.ts";

const required: Dependency = { condition: "healthy", onLoss: "stop", required: true };

describe("what a spec needs", () => {
  it("is what it depends on, and what it comes after, each once", () => {
    expect(edgesOf({ dependsOn: { db: required }, after: ["db", "cache"] })).toEqual([
      { name: "db", ...required, mustExist: true },
      { name: "cache", condition: "healthy", onLoss: "ignore", required: false, mustExist: true },
    ]);
  });
});

describe("a service that others depend on", () => {
  const running: DependencyInstance = { phase: "running", wanted: true, alive: true, ready: true, leaving: false };
  const waitsForDisk = (down: boolean): Verdict => ({ type: "wait", down, blockers: [{ name: "disk", why: "it is …", down }], reason: "" });
  const rows: [what: string, instances: Partial<DependencyInstance>[], condition: Dependency["condition"], expected: string][] = [
    ["runs and is ready", [{}], "healthy", "met"],
    ["runs and is ready", [{}], "started", "met"],
    ["runs and is not ready", [{ ready: false }], "healthy", "coming: it is not ready"],
    ["runs and is not ready", [{ ready: false }], "started", "met"],
    ["has its process, and is not up yet", [{ phase: "starting", ready: false }], "started", "met"],
    ["has its process, and is not up yet", [{ phase: "starting", ready: false }], "healthy", "coming: it is starting"],
    ["has no process yet", [{ phase: "starting", alive: false, ready: false }], "started", "coming: it is starting"],
    ["is to be started", [{ phase: "stopped" }], "healthy", "coming: it is to be started"],
    ["shall not run", [{ wanted: false }], "healthy", "down: it is stopped"],
    ["has no instances", [], "healthy", "down: it has no instances"],
    ["is in backoff", [{ phase: "backoff" }], "healthy", "down: it is in backoff"],
    ["has failed", [{ phase: "failed", reason: "too often" }], "healthy", "down: it has failed: too often"],
    ["has exited", [{ phase: "exited" }], "started", "down: it has exited"],
    ["is about to be restarted", [{ leaving: true }], "healthy", "coming: it is being restarted"],
    ["is on its way out", [{ phase: "stopping" }], "started", "coming: it is stopping"],
    ["waits for its turn", [{ phase: "waiting", verdict: go }], "healthy", "coming: it waits for its turn"],
    ["waits for what is coming", [{ phase: "waiting", verdict: waitsForDisk(false) }], "healthy", "coming: it waits for disk"],
    ["waits for what is down", [{ phase: "waiting", verdict: waitsForDisk(true) }], "healthy", "down: it waits for disk"],
    ["has one instance that is ready and one that is not", [{}, { phase: "starting" }], "healthy", "coming: it is starting"],
    ["has one instance that is ready and one that shall not run", [{}, { phase: "stopped", wanted: false }], "healthy", "met"],
    ["has one instance that comes and one that is down", [{ phase: "starting" }, { phase: "failed" }], "healthy", "down: it has failed"],
    ["runs", [{}], "completed", "coming: it has not completed"],
    ["has ended well", [{ phase: "exited" }], "completed", "met"],
    ["has ended well", [{ phase: "exited" }], "completed_ok", "met"],
    ["has ended well and shall not run any more", [{ phase: "exited", wanted: false }], "completed_ok", "met"],
    ["has ended badly", [{ phase: "failed" }], "completed", "met"],
    ["has ended badly", [{ phase: "failed" }], "completed_ok", "down: it has failed"],
    ["was never started", [{ phase: "stopped", wanted: false }], "completed", "down: it is stopped"],
    ["will be started again", [{ phase: "backoff" }], "completed", "down: it is in backoff"],
  ];

  it.each(rows)("and %s", (_, instances, condition, expected) => {
    expect(text(standingOf({ instances: instances.map((instance) => ({ ...running, ...instance })) }, condition))).toBe(expected);
  });

  it("and does not exist, is down", () => {
    expect(text(standingOf(undefined, "healthy"))).toBe("down: there is no such service");
  });

  function text(standing: Standing): string {
    return standing.type === "met" ? "met" : `${standing.type}: ${standing.why}`;
  }
});

describe("a service", () => {
  const edge = (name: string, more: Partial<Edge> = {}): Edge => ({ name, ...required, mustExist: true, ...more });
  const standings: Record<string, Standing> = {
    up: { type: "met" },
    comes: { type: "coming", why: "it is starting" },
    fails: { type: "down", why: "it has failed" },
    stuck: { type: "down", why: "it waits for disk", root: { name: "disk", why: "it is stopped", down: true } },
  };
  const verdict = (...edges: Edge[]) => mayStart(edges, ({ name }) => standings[name] as Standing);

  it("may start when all that it requires is there", () => {
    expect(verdict(edge("up"))).toEqual(go);
    expect(verdict(edge("up"), edge("comes"))).toMatchObject({ type: "wait", down: false, reason: "waits for comes: it is starting" });
  });

  it("waits for what is down, says so, and says where it begins", () => {
    expect(verdict(edge("fails"))).toMatchObject({ type: "wait", down: true, reason: "waits for fails: it has failed" });
    expect(verdict(edge("stuck"))).toMatchObject({ down: true, reason: "waits for stuck, which waits for disk: it is stopped" });
    expect(verdict(edge("comes"), edge("fails"))).toMatchObject({
      down: true,
      reason: "waits for comes: it is starting, and for fails: it has failed",
    });
  });

  it("waits for what it does not require only while that is on its way", () => {
    expect(verdict(edge("fails", { required: false }))).toEqual(go);
    expect(verdict(edge("comes", { required: false }))).toMatchObject({ type: "wait", down: false });
  });
});

describe("a graph", () => {
  const of = (edges: Record<string, string[]>): Graph =>
    new Map(Object.entries(edges).map(([name, needs]) => [name, needs.map((need) => ({ name: need, ...required, mustExist: true }))]));

  it("that goes round is told with the way", () => {
    expect(findCycles(of({ a: ["b"], b: ["c"], c: ["a"], d: ["a"] }))).toEqual([["a", "b", "c", "a"]]);
    expect(findCycles(of({ a: ["a"], b: ["c"], c: ["b"] }))).toEqual([
      ["a", "a"],
      ["b", "c", "b"],
    ]);
  });

  it("of a long chain is walked", () => {
    const names = Array.from({ length: 20_000 }, (_, index) => `s${index}`);
    const chain = of(Object.fromEntries(names.map((name, index) => [name, index === 0 ? [] : [`s${index - 1}`]])));
    expect(findCycles(chain)).toEqual([]);
    expect(startedAlong(chain, ["s19999"]).slice(0, 2)).toEqual(["s0", "s1"]);
    expect(leavingWith(reversed(chain), "s0").slice(0, 2)).toEqual(["s19999", "s19998"]);
  });

  it("names what nobody has, unless it may be missing", () => {
    const graph: Graph = new Map([
      [
        "a",
        [
          { name: "x", ...required, mustExist: true },
          { name: "y", ...required, mustExist: false },
        ],
      ],
    ]);
    expect(findGraphFaults(graph, () => undefined)).toMatchObject([{ service: "a", name: "x", kind: "unknown" }]);
  });
});

it("an end that never comes is a fault, and one that may come is none", () => {
  const graph: Graph = new Map([["a", [{ name: "job", ...required, condition: "completed_ok", mustExist: true }]]]);
  expect(findGraphFaults(graph, () => ({ restart: { mode: "always" } }))).toMatchObject([{ service: "a", name: "job", kind: "endless" }]);
  expect(findGraphFaults(graph, () => ({ restart: { mode: "on-failure" } }))).toEqual([]);
});

// The obvious way, for comparison: reach by asking for one more step until nothing is new.
function reach(from: string, step: (name: string) => string[]): Set<string> {
  let found = new Set<string>();
  for (let grown = new Set(step(from)); grown.size > found.size; grown = new Set([...found, ...[...found].flatMap(step)])) found = grown;
  return found;
}

describe("in any graph", () => {
  const names = ["a", "b", "c", "d", "e", "f", "g"];
  const dependency = fc.record({
    from: fc.constantFrom(...names),
    name: fc.constantFrom(...names),
    condition: fc.constantFrom("started" as const, "healthy" as const, "completed" as const, "completed_ok" as const),
    onLoss: fc.constantFrom("stop" as const, "restart" as const, "ignore" as const),
    required: fc.boolean(),
    mustExist: fc.boolean(),
  });
  const graph = fc
    .array(dependency, { maxLength: 14 })
    .map((edges): Graph => new Map(names.map((name) => [name, edges.filter(({ from }) => from === name)])));
  const acyclic = graph.map((any): Graph => new Map([...any].map(([name, edges]) => [name, edges.filter((edge) => edge.name < name)])));

  it("a way is told if and only if something reaches itself, and each way that is told is one", () => {
    fc.assert(
      fc.property(graph, (graph) => {
        const needs = (name: string) => (graph.get(name) ?? []).map((edge) => edge.name);
        const cycles = findCycles(graph);
        expect(cycles.length > 0).toBe(names.some((name) => reach(name, needs).has(name)));
        for (const cycle of cycles) {
          expect(cycle[0]).toBe(cycle.at(-1));
          for (const [index, name] of cycle.slice(1).entries()) expect(needs(cycle[index] as string)).toContain(name);
        }
      }),
    );
  });

  it("a start takes along all that is required, and what that requires, dependencies first", () => {
    fc.assert(
      fc.property(acyclic, fc.constantFrom(...names), (graph, name) => {
        const needs = (of: string) => (graph.get(of) ?? []).filter((edge) => edge.required).map((edge) => edge.name);
        const along = startedAlong(graph, [name]);
        expect(new Set(along)).toEqual(new Set([name, ...reach(name, needs)]));
        for (const one of along) for (const other of needs(one)) expect(along.indexOf(other)).toBeLessThan(along.indexOf(one));
      }),
    );
  });

  it("a loss takes those along that stop on it, and theirs, dependents first, and no others", () => {
    fc.assert(
      fc.property(acyclic, fc.constantFrom(...names), (graph, name) => {
        const losers = (of: string) =>
          names.filter((other) =>
            graph.get(other)?.some((edge) => edge.name === of && edge.onLoss === "stop" && !edge.condition.startsWith("completed")),
          );
        const leaving = leavingWith(reversed(graph), name);
        expect(new Set(leaving)).toEqual(reach(name, losers));
        for (const one of leaving) {
          for (const other of losers(one)) expect(leaving.indexOf(other)).toBeLessThan(leaving.indexOf(one));
        }
      }),
    );
  });

  it("everything starts in the end, each after what it requires, if all that starts becomes ready", () => {
    fc.assert(
      fc.property(acyclic, fc.array(fc.nat(), { minLength: 40, maxLength: 40 }), (graph, dice) => {
        const up = new Set<string>();
        const standing = ({ name }: Edge): Standing => (up.has(name) ? { type: "met" } : { type: "coming", why: "" });
        for (const die of dice) {
          const able = names.filter((name) => !up.has(name) && mayStart(graph.get(name) ?? [], standing).type === "go");
          const next = able[die % Math.max(1, able.length)];
          if (next === undefined) break;
          for (const { name } of graph.get(next) ?? []) expect(up).toContain(name);
          up.add(next);
        }
        expect(up.size).toBe(names.length);
      }),
    );
  });
});
