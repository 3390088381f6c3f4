import { displayName } from "./names.ts";
import type { Dependency, RestartPolicy, ServiceSpec } from "./spec.ts";
import type { Phase } from "./state.ts";

// Waiting for a dependency is a state, not a procedure: everything that should run is told to start at once, and what lacks something waits.
// So nothing here computes an order of starting. Each decision looks at what is now and is made anew whenever that changes:
//   - may it start?               `mayStart`, over the standing of each dependency
//   - whom does a start take along?   `startedAlong`
//   - who goes when one goes?     `leavingWith`: those that cannot do without it, and theirs
// That what goes is held until those that depend on it are gone is src/supervisor/departures.ts.
// What never ends by itself, a round of dependencies, is refused beforehand by `findGraphFaults`.

/** One service needs another; `name` is the other's, as whoever asks spells it. */
export interface Edge extends Dependency {
  readonly name: string;
  /** A name that nobody has is a mistake. */
  readonly mustExist: boolean;
}

/** Services and what each of them needs. */
export type Graph = ReadonlyMap<string, readonly Edge[]>;

/** Order alone is a dependency that it could do without, and whose loss means nothing. */
const orderOnly = { condition: "healthy", onLoss: "ignore", required: false, mustExist: true } as const;

/** What a spec says of others. */
type DependentSpec = Pick<ServiceSpec, "dependsOn" | "after">;

/** Where it says that it depends on this one, as violations spell it. */
export function edgeField({ dependsOn = {}, after = [] }: DependentSpec, name: string): string {
  return Object.hasOwn(dependsOn, name) ? `depends_on[${JSON.stringify(name)}]` : `after[${after.indexOf(name)}]`;
}

export function edgesOf({ dependsOn = {}, after = [] }: DependentSpec): Edge[] {
  const named = Object.entries(dependsOn).map(([name, dependency]) => ({ name, ...dependency, mustExist: dependency.required }));
  return [...named, ...after.filter((name) => !Object.hasOwn(dependsOn, name)).map((name) => ({ name, ...orderOnly }))];
}

/** What is known of a service that others depend on. */
export interface DependencyFacts {
  readonly instances: readonly DependencyInstance[];
}

export interface DependencyInstance {
  readonly phase: Phase;
  /** It should run. */
  readonly wanted: boolean;
  /** Its process exists, and is not on its way out. */
  readonly alive: boolean;
  readonly ready: boolean;
  /** It is to be stopped or restarted as soon as others are gone. */
  readonly leaving: boolean;
  /** Why it gave up. */
  readonly reason?: string;
  /** What it waits for itself. */
  readonly verdict?: Verdict;
}

/** `coming` is on its way; `down` will not be there soon, or not unless somebody does something. */
export type Standing =
  | { readonly type: "met" }
  | { readonly type: "coming" | "down"; readonly why: string /** Where it begins, if not there. */; readonly root?: Blocker };

export interface Blocker {
  readonly name: string;
  readonly why: string;
  readonly down: boolean;
  /** Where it begins, if not there. */
  readonly root?: Blocker;
}

export type Verdict =
  | { readonly type: "go" }
  /** With what is in its way; `down` when one of these is. */
  | { readonly type: "wait"; readonly down: boolean; readonly blockers: readonly Blocker[]; readonly reason: string };

export const go: Verdict = { type: "go" };

/** Whether it may start, as far as others are concerned. */
export function mayStart(edges: readonly Edge[], standing: (edge: Edge) => Standing): Verdict {
  const blockers: Blocker[] = [];
  const reasons: string[] = [];
  let down = false;
  for (const edge of edges) {
    const found = standing(edge);
    if (found.type === "met" || (found.type === "down" && !edge.required)) continue;
    down ||= found.type === "down";
    const { why, root } = found;
    blockers.push({ name: edge.name, why, down: found.type === "down", ...(root && { root }) });
    const name = displayName(edge.name);
    reasons.push(root ? `${name}, which waits for ${displayName(root.name)}: ${root.why}` : `${name}: ${why}`);
  }
  if (blockers.length === 0) return go;
  return { type: "wait", down, blockers, reason: `waits for ${reasons.join(", and for ")}` };
}

/** How far a service is, for one that depends on it; undefined facts are of a service that does not exist. */
export function standingOf(facts: DependencyFacts | undefined, condition: Dependency["condition"]): Standing {
  if (!facts) return { type: "down", why: "there is no such service" };
  switch (condition) {
    case "completed":
    case "completed_ok":
      return completion(facts.instances, condition);
    case "started":
    case "healthy":
      return presence(facts.instances, condition);
  }
}

function presence(instances: readonly DependencyInstance[], condition: "started" | "healthy"): Standing {
  const wanted = instances.filter((instance) => instance.wanted);
  if (wanted.length === 0) return { type: "down", why: instances.length === 0 ? "it has no instances" : "it is stopped" };
  return worst(wanted.map((instance) => presenceOf(instance, condition)));
}

function presenceOf({ phase, alive, ready, leaving, reason, verdict }: DependencyInstance, condition: "started" | "healthy"): Standing {
  if (leaving) return { type: "coming", why: "it is being restarted" };
  switch (phase) {
    case "stopped":
      return { type: "coming", why: "it is to be started" };
    case "waiting":
      return waitingItself(verdict);
    case "starting":
      return condition === "started" && alive ? { type: "met" } : { type: "coming", why: "it is starting" };
    case "running":
      return ready || condition === "started" ? { type: "met" } : { type: "coming", why: "it is not ready" };
    case "stopping":
      return { type: "coming", why: "it is stopping" };
    case "backoff":
      return { type: "down", why: "it is in backoff" };
    case "exited":
      return { type: "down", why: "it has exited" };
    case "failed":
      return { type: "down", why: reason ? `it has failed: ${reason}` : "it has failed" };
  }
}

function completion(instances: readonly DependencyInstance[], condition: "completed" | "completed_ok"): Standing {
  if (instances.length === 0) return { type: "down", why: "it has no instances" };
  return worst(instances.map((instance) => completionOf(instance, condition)));
}

function completionOf({ phase, wanted, reason, verdict }: DependencyInstance, condition: "completed" | "completed_ok"): Standing {
  switch (phase) {
    case "exited":
      return { type: "met" };
    case "failed":
      if (condition === "completed") return { type: "met" };
      return { type: "down", why: reason ? `it has failed: ${reason}` : "it has failed" };
    case "stopped":
      return wanted ? { type: "coming", why: "it is to be started" } : { type: "down", why: "it is stopped" };
    case "waiting":
      return waitingItself(verdict);
    case "backoff":
      return { type: "down", why: "it is in backoff" };
    case "starting":
    case "running":
    case "stopping":
      return { type: "coming", why: "it has not completed" };
  }
}

/** Where nothing will come by itself the place to look at is where it begins. */
function waitingItself(verdict: Verdict = go): Standing {
  if (verdict.type === "go") return { type: "coming", why: "it waits for its turn" };
  const first = verdict.blockers.find(({ down }) => down);
  const why = `it waits for ${verdict.blockers.map(({ name }) => displayName(name)).join(" and ")}`;
  return first ? { type: "down", why, root: first.root ?? first } : { type: "coming", why };
}

function worst(standings: readonly Standing[]): Standing {
  return standings.find(({ type }) => type === "down") ?? standings.find(({ type }) => type === "coming") ?? { type: "met" };
}

/** Whether the end of the other is a loss at all: what has run to its end has done what it was needed for. */
export function canBeLost({ condition }: Dependency): boolean {
  return condition === "started" || condition === "healthy";
}

/** Whom the start of these takes along: what they cannot do without, and what those cannot. Dependencies come before their dependents. */
export function startedAlong(graph: Graph, names: readonly string[]): string[] {
  return walk(names, (name) => (graph.get(name) ?? []).filter(({ required }) => required).map((edge) => edge.name));
}

/** These names, each after what it needs or comes after. */
export function dependenciesFirst(graph: Graph, names: readonly string[]): string[] {
  const wanted = new Set(names);
  return walk(names, (name) => (graph.get(name) ?? []).map((edge) => edge.name)).filter((name) => wanted.has(name));
}

/** Who goes when this one goes: those that are to be stopped then, and theirs. Dependents come before their dependencies. */
export function leavingWith(dependents: Graph, name: string): string[] {
  const goWith = (of: string) => (dependents.get(of) ?? []).filter((edge) => edge.onLoss === "stop" && canBeLost(edge)).map((edge) => edge.name);
  return walk([name], goWith).filter((other) => other !== name);
}

/** The same edges seen from the other end: each name has those that depend on it. */
export function reversed(graph: Graph): Map<string, Edge[]> {
  const dependents = new Map<string, Edge[]>();
  for (const [dependent, edges] of graph) {
    for (const edge of edges) {
      const known = dependents.get(edge.name);
      const back = { ...edge, name: dependent };
      if (known) known.push(back);
      else dependents.set(edge.name, [back]);
    }
  }
  return dependents;
}

/** Everything that is reached, each once, and after all that is reached from it. */
function walk(from: readonly string[], next: (name: string) => readonly string[]): string[] {
  const found = new Set<string>();
  const entered = new Set<string>();
  const stack = from.map((name) => ({ name, done: false })).reverse();
  for (let top = stack.pop(); top; top = stack.pop()) {
    if (top.done) found.add(top.name);
    if (top.done || entered.has(top.name)) continue;
    entered.add(top.name);
    stack.push({ name: top.name, done: true }, ...next(top.name).map((name) => ({ name, done: false })));
  }
  return [...found];
}

/** What is wrong with what one service says of others. */
export interface GraphFault {
  readonly service: string;
  /** The other that it names. */
  readonly name: string;
  readonly kind: "unknown" | "endless" | "cycle";
  readonly message: string;
}

/** Names that nobody has, ends that never come, and rounds in which each waits for the next. `find` is what else is known of a name. */
export function findGraphFaults(graph: Graph, find: (name: string) => { readonly restart: Pick<RestartPolicy, "mode"> } | undefined): GraphFault[] {
  const faults = [...graph].flatMap(([service, edges]) => edges.flatMap((edge) => faultOf(service, edge, find(edge.name)) ?? []));
  const cycles = findCycles(graph).map((path): GraphFault => {
    const [service = "", name = ""] = path;
    return { service, name, kind: "cycle", message: `goes round: ${path.map(displayName).join(" → ")}; none of them could start` };
  });
  return [...faults, ...cycles];
}

function faultOf(service: string, edge: Edge, spec: { readonly restart: Pick<RestartPolicy, "mode"> } | undefined): GraphFault | undefined {
  const { name, mustExist } = edge;
  const shown = displayName(name);
  if (!spec) return mustExist ? { service, name, kind: "unknown", message: `no service is named ${JSON.stringify(shown)}` } : undefined;
  if (canBeLost(edge) || spec.restart.mode !== "always") return undefined;
  const message = `${shown} never completes: its restart policy is always; say never or on-failure there`;
  return { service, name, kind: "endless", message };
}

/** Each way that leads back to where it began, as names of which the last is the first again: one for each edge that closes one. */
export function findCycles(graph: Graph): string[][] {
  const cycles: string[][] = [];
  const done = new Set<string>();
  for (const start of graph.keys()) {
    if (done.has(start)) continue;
    const path: { name: string; next: number }[] = [{ name: start, next: 0 }];
    const onPath = new Map([[start, 0]]);
    for (let top = path.at(-1); top; top = path.at(-1)) {
      const edge = graph.get(top.name)?.[top.next++];
      if (!edge) {
        done.add(top.name);
        onPath.delete(top.name);
        path.pop();
        continue;
      }
      const at = onPath.get(edge.name);
      if (at !== undefined) cycles.push([...path.slice(at).map(({ name }) => name), edge.name]);
      else if (!done.has(edge.name) && graph.has(edge.name)) {
        onPath.set(edge.name, path.length);
        path.push({ name: edge.name, next: 0 });
      }
    }
  }
  return cycles;
}
