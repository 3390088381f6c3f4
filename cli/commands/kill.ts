import type { TargetResult } from "../../gen/pm/v1/common_pb.ts";
import { SignalServicesResponseSchema, SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { formatOf, type OutputOptions, outputOptions, selectorHelp, selectorOptions } from "../options.ts";
import { reportResults } from "../results.ts";
import { type SelectorOptions, selectorForVerb } from "../selector.ts";
import { clientOf, promptly } from "../session.ts";
import { signalName } from "../signals.ts";
import type { Verb } from "../verb.ts";

type KillOptions = SelectorOptions & OutputOptions & { readonly signal: string; readonly group?: boolean };

export const verb: Verb<KillOptions> = {
  operands: "[name...]",
  description: `Sends a signal to the main processes of services. pmd does not take it for a stop: what ends of it is started again,\nif its restart policy says so.\n\n${selectorHelp}`,
  examples: [
    "pmctl kill -s HUP web           # the main process of each instance",
    "pmctl kill -s USR1 web#0        # of one instance",
    "pmctl kill -s KILL --group web  # and everything in their process groups",
  ],
  addOptions(command) {
    command
      .option("-s, --signal <signal>", "a name, with or without SIG, or a number", signalName, "SIGTERM")
      .option("--group", "send it to the whole process group");
    outputOptions(selectorOptions(command));
  },
  async run(session, { operands, options }) {
    // `kill -9 web`, as fingers know it, reaches us as a name that no service can have.
    const number = operands.find((operand) => /^-\d+$/.test(operand));
    const signal = number === undefined ? options.signal : signalName(number.slice(1));
    const selector = selectorForVerb(
      "kill",
      operands.filter((operand) => operand !== number),
      options,
    );
    const format = formatOf(options);
    const { group = false } = options;
    const startedAt = session.now();
    const message = await clientOf(session, SupervisorService).signalServices({ selector, signal, group }, promptly(session));
    const done = ({ pids }: TargetResult) => `sent ${signal}${pids.length > 0 ? ` to pid ${pids.join(", ")}` : ""}`;
    return await reportResults(session, { schema: SignalServicesResponseSchema, message, format, wording: { done, timed: false }, startedAt });
  },
};
