import { ReloadServicesResponseSchema, SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { formatOf, type OutputOptions, outputOptions, selectorHelp, selectorOptions } from "../options.ts";
import { reportResults } from "../results.ts";
import { type SelectorOptions, selectorForVerb } from "../selector.ts";
import { clientOf } from "../session.ts";
import type { Verb } from "../verb.ts";
import { patiently } from "../waiting.ts";

export const verb: Verb<SelectorOptions & OutputOptions> = {
  operands: "[name...]",
  description: `Makes services re-read their own configuration, by the signal or command that their spec names for it.\nThe processes stay the same.\n\n${selectorHelp}`,
  examples: ["pmctl reload nginx", "pmctl reload -l tier=front   # all with this label"],
  addOptions(command) {
    outputOptions(selectorOptions(command));
  },
  async run(session, { operands, options }) {
    const selector = selectorForVerb("reload", operands, options);
    const format = formatOf(options);
    const startedAt = session.now();
    const message = await patiently(session, {}, (call) => clientOf(session, SupervisorService).reloadServices({ selector }, call));
    return await reportResults(session, { schema: ReloadServicesResponseSchema, message, format, wording: { done: () => "reloaded" }, startedAt });
  },
};
