import { State } from "../../gen/pm/v1/common_pb.ts";
import { Dependency_ConditionSchema, Dependency_OnLossSchema, type Service } from "../../gen/pm/v1/service_pb.ts";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { exitCodes } from "../exit-codes.ts";
import { Failure, usageError } from "../failure.ts";
import { safeText } from "../safe-text.ts";
import { paint, type Screen } from "../screen.ts";
import { stateColor } from "../service-figures.ts";
import { clientOf, promptly } from "../session.ts";
import type { Verb } from "../verb.ts";
import { enumWord, shortName, stateWord } from "../words.ts";

const formats = ["tree", "dot", "json"] as const;
type Format = (typeof formats)[number];

export const verb: Verb<{ readonly format?: Format; readonly namespace?: string }> = {
  operands: "[name...]",
  description: "Shows which services depend on which: below each service what it needs, or comes after.",
  examples: [
    "pmctl graph                            # all services",
    "pmctl graph api                        # what api needs",
    "pmctl graph --format dot | dot -Tsvg   # a drawing, with Graphviz",
  ],
  addOptions(command) {
    command
      .option("--format <format>", `how to print: ${formats.join(", ")}`, parseFormat)
      .option("-N, --namespace <namespace>", "the services of this namespace; '*' is everywhere");
  },
  async run(session, { operands, options: { format = "tree", namespace } }) {
    const selector = { all: true, namespace: namespace ?? "*" };
    const { services } = await clientOf(session, SupervisorService).listServices({ selector }, promptly(session));
    const graph = graphOf(services);
    const named = operands.map((name) => nodeNamed(graph, name, namespace));
    const roots = named.length > 0 ? named : rootsOf(graph);
    switch (format) {
      case "tree":
        printTrees(session.out, graph, roots);
        break;
      case "dot":
        session.out.write(dotOf(reachedFrom(graph, roots)));
        break;
      case "json":
        session.out.write(`${JSON.stringify({ services: reachedFrom(graph, roots).map(toJson) }, undefined, 2)}\n`);
    }
    return exitCodes.ok;
  },
};

function parseFormat(text: string): Format {
  const found = formats.find((format) => format === text);
  if (!found) throw usageError(`--format: ${JSON.stringify(text)} is no format of this verb: say ${formats.join(", ")}`);
  return found;
}

interface Node {
  /** In full. */
  readonly name: string;
  readonly state: State;
  readonly reason: string;
  readonly edges: readonly Edge[];
}

interface Edge {
  /** In full. */
  readonly name: string;
  readonly condition: string;
  readonly onLoss: string;
  readonly required: boolean;
  /** Only comes after it. */
  readonly orderOnly: boolean;
}

type Graph = ReadonlyMap<string, Node>;

function graphOf(services: readonly Service[]): Graph {
  return new Map(services.map((service) => [`${service.namespace}/${service.name}`, nodeOf(service)]));
}

function nodeOf({ namespace, name, spec, status }: Service): Node {
  const needs = Object.entries(spec?.dependsOn ?? {}).map(([other, { condition, onLoss, required = true }]) => ({
    name: `${namespace}/${other}`,
    condition: enumWord(Dependency_ConditionSchema, condition),
    onLoss: enumWord(Dependency_OnLossSchema, onLoss),
    required,
    orderOnly: false,
  }));
  const after = (spec?.after ?? [])
    .map((other) => `${namespace}/${other}`)
    .filter((other) => !needs.some((edge) => edge.name === other))
    .map((other) => ({ name: other, condition: "after", onLoss: "ignore", required: false, orderOnly: true }));
  const reason = status?.instances.find(({ stateReason }) => stateReason !== "")?.stateReason ?? "";
  return { name: `${namespace}/${name}`, state: status?.state ?? State.UNSPECIFIED, reason, edges: [...needs, ...after] };
}

function nodeNamed(graph: Graph, text: string, namespace = "default"): Node {
  const node = graph.get(text.includes("/") ? text : `${namespace}/${text}`);
  if (!node) throw new Failure(`no service is named ${JSON.stringify(text)}`, exitCodes.notFound);
  return node;
}

/** Those that nobody depends on, so that each is seen from above. */
function rootsOf(graph: Graph): Node[] {
  const needed = new Set([...graph.values()].flatMap(({ edges }) => edges.map(({ name }) => name)));
  return [...graph.values()].filter(({ name }) => !needed.has(name));
}

function reachedFrom(graph: Graph, roots: readonly Node[]): Node[] {
  const reached = new Map<string, Node>();
  const ahead = [...roots];
  for (let node = ahead.shift(); node; node = ahead.shift()) {
    if (reached.has(node.name)) continue;
    reached.set(node.name, node);
    ahead.push(...node.edges.flatMap(({ name }) => graph.get(name) ?? []));
  }
  return [...reached.values()];
}

/** What stands below a service in one place is not repeated in another. */
function printTrees(out: Screen, graph: Graph, roots: readonly Node[]): void {
  const shown = new Set<string>();
  for (const root of roots) {
    out.write(`${describe(out, root)}\n`);
    printBelow(root, "");
  }

  function printBelow(node: Node, indent: string): void {
    if (shown.has(node.name)) return;
    shown.add(node.name);
    for (const [index, edge] of node.edges.entries()) {
      const isLast = index === node.edges.length - 1;
      const below = graph.get(edge.name);
      const repeated = below && below.edges.length > 0 && shown.has(below.name) ? " …" : "";
      const what = below ? describe(out, below) : `${safeText(shortName(edge.name))}  ${paint(out, "dim", "not there")}`;
      out.write(`${indent}${isLast ? "└─ " : "├─ "}${what}${paint(out, "dim", edgeWords(edge))}${repeated}\n`);
      if (below) printBelow(below, `${indent}${isLast ? "   " : "│  "}`);
    }
  }
}

function describe(out: Screen, { name, state, reason }: Node): string {
  const why = reason ? `: ${safeText(reason)}` : "";
  return `${paint(out, "bold", safeText(shortName(name)))}  ${paint(out, stateColor(state) ?? "dim", stateWord(state))}${why}`;
}

/** What is not as usual. */
function edgeWords({ condition, onLoss, required, orderOnly }: Edge): string {
  if (orderOnly) return "  (only after it)";
  const usualLoss = required ? "stop" : "ignore";
  const words = [
    ...(condition === "healthy" ? [] : [condition]),
    ...(onLoss === usualLoss ? [] : [`on loss ${onLoss}`]),
    ...(required ? [] : ["not required"]),
  ];
  return words.length > 0 ? `  (${words.join(", ")})` : "";
}

function dotOf(nodes: readonly Node[]): string {
  const lines = nodes.flatMap(({ name, edges }) => [
    `  ${quoted(name)};`,
    ...edges.map(
      (edge) => `  ${quoted(name)} -> ${quoted(edge.name)} [label=${JSON.stringify(edge.condition)}${edge.required ? "" : ", style=dashed"}];`,
    ),
  ]);
  return ["digraph services {", ...lines, "}", ""].join("\n");
}

function quoted(name: string): string {
  return JSON.stringify(shortName(name));
}

function toJson({ name, state, reason, edges }: Node): object {
  return { name: shortName(name), state: stateWord(state), reason, dependsOn: edges.map((edge) => ({ ...edge, name: shortName(edge.name) })) };
}
