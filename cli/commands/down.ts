import { DeleteServicesResponseSchema, StopServicesResponseSchema, SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { carryOut } from "../carry-out.ts";
import { fileOption, pathOf } from "../config-file.ts";
import { durationOption, formatOf, type OutputOptions, outputOptions, waitOptions } from "../options.ts";
import { durationOf } from "../quantities.ts";
import { reportResults, stopWording } from "../results.ts";
import { clientOf } from "../session.ts";
import type { Verb } from "../verb.ts";
import { type WaitOptions, waitOf } from "../waiting.ts";

type DownOptions = WaitOptions & OutputOptions & { readonly file?: string; readonly remove?: boolean; readonly grace?: number };

export const verb: Verb<DownOptions> = {
  operands: "[name...]",
  description: `Stops all services of a file, or those that are named, and proves that nothing of them is left. They stay stopped until they are started or
"up" is said. What the file says now does not matter, nor whether it is still there.`,
  examples: ["pmctl down                  # those of ./pm.yaml", "pmctl down -f stack.yaml web", "pmctl down --remove         # and forget them"],
  addOptions(command) {
    durationOption(
      fileOption(command).option("--remove", "forget them too; their log files stay"),
      "--grace <duration>",
      "time to end by itself; 0 kills at once",
    );
    outputOptions(waitOptions(command));
  },
  async run(session, { operands, options }) {
    const ofFile = operands.length === 0 || options.file !== undefined;
    const selector = { names: [...operands], ...(ofFile && { source: pathOf(session, options.file) }) };
    const format = formatOf(options);
    const startedAt = session.now();
    const grace = options.grace === undefined ? {} : { grace: durationOf(options.grace) };
    const client = clientOf(session, SupervisorService);
    if (options.remove) {
      const patience = { ...options, wait: true };
      const message = await carryOut(session, { doing: "deleting", goal: "stopped", selector, options: patience }, (call) =>
        client.deleteServices({ selector, force: true, wait: waitOf(patience), ...grace }, call),
      );
      const wording = { done: () => "stopped and deleted" };
      return await reportResults(session, { schema: DeleteServicesResponseSchema, message, format, wording, startedAt });
    }
    const message = await carryOut(session, { doing: "stopping", goal: "stopped", selector, options }, (call) =>
      client.stopServices({ selector, wait: waitOf(options), ...grace }, call),
    );
    return await reportResults(session, { schema: StopServicesResponseSchema, message, format, wording: stopWording, startedAt });
  },
};
