import { ExplainServiceResponseSchema, type Explanation, SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { exitCodes } from "../exit-codes.ts";
import { exitSentence } from "../exit-words.ts";
import { printJson } from "../json-output.ts";
import { formatOf, type OutputOptions, outputOptions } from "../options.ts";
import { safeLine, safeText } from "../safe-text.ts";
import { paint } from "../screen.ts";
import { stateColor } from "../service-figures.ts";
import { clientOf, promptly, type Session } from "../session.ts";
import { ago, type TimeOptions, until } from "../time-text.ts";
import type { Verb } from "../verb.ts";

export const verb: Verb<OutputOptions & TimeOptions> = {
  operands: "<name>",
  description:
    "Says why a service is as it is: what it waits for, what that waits for, and so on to where it begins, with how the last run of each ended and what it said last.",
  examples: ["pmctl why api", "pmctl why api --json | jq -r '.chain[-1].name'   # where it begins"],
  addOptions(command) {
    outputOptions(command, ["table", "json"]).option("--abs-time", "times as RFC 3339, also on a terminal");
  },
  async run(session, { operands: [name = ""], options }) {
    const response = await clientOf(session, SupervisorService).explainService({ name: name.replace(/#\d+$/, "") }, promptly(session));
    if (formatOf(options) === "json") await printJson(session, ExplainServiceResponseSchema, response);
    else for (const explanation of response.chain) printExplanation(session, explanation, options);
    return exitCodes.ok;
  },
};

function printExplanation(session: Session, { sentence, state, lastExit, nextStartTime }: Explanation, options: TimeOptions): void {
  const { out } = session;
  const next = nextStartTime ? `, ${until(session, nextStartTime, options)}` : "";
  out.write(`${paint(out, stateColor(state) ?? "dim", safeText(sentence) + next)}\n`);
  if (!lastExit) return;
  out.write(`  its last run: ${exitSentence(lastExit)}, ${ago(session, lastExit.endTime, options)}\n`);
  for (const line of lastExit.lastLines) out.write(`    ${paint(out, "dim", safeLine(line))}\n`);
}
