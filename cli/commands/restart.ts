import { RestartServicesResponseSchema, SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { carryOut } from "../carry-out.ts";
import { formatOf, type OutputOptions, outputOptions, selectorHelp, selectorOptions, waitOptions } from "../options.ts";
import { describeRunning, reportResults, type Wording } from "../results.ts";
import { type SelectorOptions, selectorForVerb } from "../selector.ts";
import { clientOf } from "../session.ts";
import type { Verb } from "../verb.ts";
import { type WaitOptions, waitOf } from "../waiting.ts";

type RestartOptions = SelectorOptions & WaitOptions & OutputOptions;

const wording: Wording = {
  done: (result) => `restarted, ${describeRunning(result)}`,
  accepted: () => "will be restarted",
};

export const verb: Verb<RestartOptions> = {
  operands: "[name...]",
  description: `Stops services and starts them. What was stopped is started.\n\n${selectorHelp}`,
  examples: [
    "pmctl restart web                # one service",
    "pmctl restart -l tier=front      # all with this label",
    "pmctl restart web#0 --no-wait    # one instance, without waiting for it",
  ],
  addOptions(command) {
    outputOptions(waitOptions(selectorOptions(command)));
  },
  async run(session, { operands, options }) {
    const selector = selectorForVerb("restart", operands, options);
    const format = formatOf(options);
    const startedAt = session.now();
    const request = { selector, requestId: crypto.randomUUID(), wait: waitOf(options) };
    const message = await carryOut(session, { doing: "restarting", goal: "ready", selector, options }, (call) =>
      clientOf(session, SupervisorService).restartServices(request, call),
    );
    return await reportResults(session, { schema: RestartServicesResponseSchema, message, format, wording, startedAt });
  },
};
