import { DeleteServicesResponseSchema, SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { carryOut } from "../carry-out.ts";
import { Failure } from "../failure.ts";
import { durationOption, formatOf, type OutputOptions, outputOptions, selectorHelp, selectorOptions } from "../options.ts";
import { durationOf } from "../quantities.ts";
import { reportResults } from "../results.ts";
import { type SelectorInit, type SelectorOptions, selectorForVerb } from "../selector.ts";
import { clientOf, promptly, type Session } from "../session.ts";
import type { Verb } from "../verb.ts";
import { waitOf } from "../waiting.ts";
import { shortName } from "../words.ts";

type DeleteOptions = SelectorOptions &
  OutputOptions & {
    readonly yes?: boolean;
    readonly purgeLogs?: boolean;
    readonly grace?: number;
    readonly timeout?: number;
    readonly force?: boolean;
  };

export const verb: Verb<DeleteOptions> = {
  operands: "[name...]",
  description: `Stops services, proves that nothing is left of them, and forgets them. Their log files stay.\nOn a terminal it asks before it deletes more than one.\n\n${selectorHelp}`,
  examples: [
    "pmctl delete web                    # one service",
    "pmctl delete --state stopped        # all that are stopped; asks first",
    "pmctl delete --all --yes            # everything, without a question",
    "pmctl delete web --purge-logs       # its log files too",
  ],
  addOptions(command) {
    command
      .option("-y, --yes", "do not ask")
      .option("--purge-logs", "remove their log files too")
      .option("--force", "also services that a file defines");
    durationOption(selectorOptions(command), "--grace <duration>", "time to end by itself; 0 kills at once");
    durationOption(command, "--timeout <duration>", "wait no longer than this");
    outputOptions(command);
  },
  async run(session, { operands, options }) {
    const selector = selectorForVerb("delete", operands, options);
    const format = formatOf(options);
    if (!options.yes) await askFirst(session, selector);
    const startedAt = session.now();
    const { grace, purgeLogs = false, force = false } = options;
    const patience = { ...options, wait: true };
    const request = { selector, purgeLogs, force, wait: waitOf(patience), ...(grace !== undefined && { grace: durationOf(grace) }) };
    const message = await carryOut(session, { doing: "deleting", goal: "stopped", selector, options: patience }, (call) =>
      clientOf(session, SupervisorService).deleteServices(request, call),
    );
    return await reportResults(session, { schema: DeleteServicesResponseSchema, message, format, wording: { done: () => "deleted" }, startedAt });
  },
};

const mostNames = 10;

/** One service that was named is what was meant; of several a person shall see which. */
async function askFirst(session: Session, selector: SelectorInit): Promise<void> {
  if (!session.confirm) return;
  const { results } = await clientOf(session, SupervisorService).deleteServices({ selector, validateOnly: true }, promptly(session));
  const names = results.map(({ name }) => shortName(name));
  if (names.length === 0 || (names.length === 1 && !selector.all)) return;
  const shown = names.slice(0, mostNames).join(", ") + (names.length > mostNames ? ", …" : "");
  const what = names.length === 1 ? shown : `${names.length} services (${shown})`;
  if (!(await session.confirm(`delete ${what}? [y/N] `))) throw new Failure("nothing was deleted");
}
