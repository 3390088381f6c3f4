import { StopServicesResponseSchema, SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { carryOut } from "../carry-out.ts";
import { durationOption, formatOf, type OutputOptions, outputOptions, selectorHelp, selectorOptions, waitOptions } from "../options.ts";
import { durationOf } from "../quantities.ts";
import { reportResults, stopWording } from "../results.ts";
import { type SelectorOptions, selectorForVerb } from "../selector.ts";
import { clientOf } from "../session.ts";
import type { Verb } from "../verb.ts";
import { type WaitOptions, waitOf } from "../waiting.ts";

type StopOptions = SelectorOptions & WaitOptions & OutputOptions & { readonly grace?: number };

export const verb: Verb<StopOptions> = {
  operands: "[name...]",
  description: `Asks services to end, waits for their grace period, kills what is left, and proves that nothing is.\nThey stay stopped, also when pmd starts again. What depends on them is stopped first, and comes back with them.\n\n${selectorHelp}`,
  examples: [
    "pmctl stop web               # one service",
    "pmctl stop web#1             # one of its instances",
    "pmctl stop 'web-*' api       # several, some by pattern",
    "pmctl stop --all --grace 2s  # everything, in a hurry",
  ],
  addOptions(command) {
    durationOption(selectorOptions(command), "--grace <duration>", "time to end by itself; 0 kills at once");
    outputOptions(waitOptions(command));
  },
  async run(session, { operands, options }) {
    const selector = selectorForVerb("stop", operands, options);
    const format = formatOf(options);
    const startedAt = session.now();
    const request = { selector, wait: waitOf(options), ...(options.grace !== undefined && { grace: durationOf(options.grace) }) };
    const message = await carryOut(session, { doing: "stopping", goal: "stopped", selector, options }, (call) =>
      clientOf(session, SupervisorService).stopServices(request, call),
    );
    return await reportResults(session, { schema: StopServicesResponseSchema, message, format, wording: stopWording, startedAt });
  },
};
