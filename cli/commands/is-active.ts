import { State } from "../../gen/pm/v1/common_pb.ts";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { exitCodes } from "../exit-codes.ts";
import { Failure } from "../failure.ts";
import { clientOf, promptly } from "../session.ts";
import type { Verb } from "../verb.ts";
import { stateWord } from "../words.ts";

export const verb: Verb<{ readonly quiet?: boolean }> = {
  operands: "<name>",
  description:
    "Prints the state of a service or an instance. The exit code is 0 when it is running, 3 when not, and 4 when there is no such service.",
  examples: ["pmctl is-active web", "pmctl is-active -q web#1 || echo 'web#1 is down'"],
  addOptions(command) {
    command.option("-q, --quiet", "print nothing");
  },
  async run(session, { operands: [name = ""], options }) {
    const [service = "", index] = name.split("#");
    const response = await clientOf(session, SupervisorService).getService({ name: service }, promptly(session));
    const state = stateOf(response.service?.status, index);
    if (state === undefined) throw new Failure(`no instance is named ${JSON.stringify(name)}`, exitCodes.notFound);
    if (!options.quiet) session.out.write(`${stateWord(state)}\n`);
    return state === State.RUNNING ? exitCodes.ok : exitCodes.notRunning;
  },
};

interface Stated {
  readonly state: State;
  readonly instances: readonly { readonly index: number; readonly state: State }[];
}

function stateOf(status: Stated | undefined, index: string | undefined): State | undefined {
  if (index === undefined) return status?.state ?? State.UNKNOWN;
  return status?.instances.find((instance) => String(instance.index) === index)?.state;
}
