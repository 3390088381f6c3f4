import type { MessageInitShape } from "@bufbuild/protobuf";
import { type SelectorSchema, type State, StateSchema } from "../gen/pm/v1/common_pb.ts";
import { usageError } from "./failure.ts";
import { parseEnumWord } from "./words.ts";

export interface SelectorOptions {
  readonly all?: boolean;
  readonly label?: Readonly<Record<string, string>>;
  readonly state?: readonly string[];
  readonly namespace?: string;
}

export type SelectorInit = MessageInitShape<typeof SelectorSchema>;

/** For verbs that change something: one that names nothing is refused, so that nobody stops a host by leaving a word out. */
export function selectorForVerb(verb: string, names: readonly string[], options: SelectorOptions): SelectorInit {
  const selector = selectorOf(names, options);
  if (!selector) throw usageError(`say which: pmctl ${verb} NAME..., a pattern like 'web-*', -l LABEL=VALUE, --state STATE, or --all`);
  return selector;
}

/** For reads: without a word about which, it is everything, of the namespace if there is one. */
export function selectorForRead(names: readonly string[], options: SelectorOptions): SelectorInit {
  if (names.length > 0) return selectorOf(names, options) as SelectorInit;
  return { ...selectorOf(names, { ...options, all: true }), namespace: options.namespace ?? "*" };
}

function selectorOf(names: readonly string[], options: SelectorOptions): SelectorInit | undefined {
  const all = options.all === true || names.includes("all");
  const labels = { ...options.label };
  const states = (options.state ?? []).map((word) => parseEnumWord(StateSchema, word, "state") as State);
  const namesGiven = names.filter((name) => name !== "all");
  if (all && namesGiven.length > 0) throw usageError(`"all" and ${namesGiven[0]}: say one of them`);
  if (!all && namesGiven.length === 0 && states.length === 0 && Object.keys(labels).length === 0) return undefined;
  return { names: namesGiven, namespace: options.namespace ?? "", labels, states, all };
}
