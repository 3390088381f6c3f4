import type { Selector as SelectorMessage } from "../../gen/pm/v1/common_pb.ts";
import { emptySelector } from "../errors.ts";
import type { Selector } from "../supervisor/selection.ts";
import { toStateWords } from "./convert-status.ts";

export function toSelector({ names, namespace, labels, states, all, source }: SelectorMessage): Selector {
  return { names, namespace, labels, states: toStateWords(states), all, source };
}

/** A verb that does not say to whom says nothing. */
export function toVerbSelector(message: SelectorMessage | undefined): Selector {
  if (!message) throw emptySelector();
  return toSelector(message);
}
