import { ConfigService, RollbackServiceResponseSchema } from "../../gen/pm/v1/config_service_pb.ts";
import { carryOut } from "../carry-out.ts";
import { spokenResults } from "../create-service.ts";
import { formatOf, named, type OutputOptions, outputOptions, waitOptions } from "../options.ts";
import { parseCount } from "../quantities.ts";
import { reportResults } from "../results.ts";
import { clientOf } from "../session.ts";
import type { Verb } from "../verb.ts";
import { type WaitOptions, waitOf } from "../waiting.ts";

export const verb: Verb<WaitOptions & OutputOptions & { readonly to?: number }> = {
  operands: "<name>",
  description: `Gives a service a spec that it has had before, and restarts it if what it runs is different. The file that defines it is left as it is: "diff"
shows the difference, and the next apply takes the rollback back.`,
  examples: ["pmctl rollback web          # to the spec before the present one", 'pmctl rollback web --to 3   # to one that "history" has listed'],
  addOptions(command) {
    command.option("--to <revision>", "which, by its number in the history", named("--to <revision>", parseCount));
    outputOptions(waitOptions(command));
  },
  async run(session, { operands: [name = ""], options }) {
    const format = formatOf(options);
    const startedAt = session.now();
    const request = { name, generation: BigInt(options.to ?? 0), wait: waitOf(options) };
    const task = { doing: "rolling back", goal: "ready" as const, selector: { names: [name] }, options };
    const message = await carryOut(session, task, (call) => clientOf(session, ConfigService).rollbackService(request, call));
    return await reportResults(session, { schema: RollbackServiceResponseSchema, message, ...spokenResults(message), format, startedAt });
  },
};
