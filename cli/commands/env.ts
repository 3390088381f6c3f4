import { create } from "@bufbuild/protobuf";
import { EnvironmentSchema } from "../../gen/pm/v1/process_pb.ts";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { exitCodes } from "../exit-codes.ts";
import { printJson } from "../json-output.ts";
import { formatOf, type OutputOptions, outputOptions } from "../options.ts";
import { safeText } from "../safe-text.ts";
import { paint } from "../screen.ts";
import { clientOf, promptly } from "../session.ts";
import type { Verb } from "../verb.ts";

export const verb: Verb<OutputOptions & { readonly reveal?: boolean }> = {
  operands: "<name>",
  description: "Shows the variables that the spec of a service sets. Their values are hidden unless they are asked for.",
  examples: ["pmctl env web                         # the names", "pmctl env web --reveal | grep '^DB_'  # with their values"],
  addOptions(command) {
    outputOptions(command.option("--reveal", "show the values"), ["table", "json", "name"]);
  },
  async run(session, { operands: [name = ""], options }) {
    const { out, err } = session;
    const response = await clientOf(session, SupervisorService).getService({ name, revealEnvironment: options.reveal ?? false }, promptly(session));
    const environment = response.service?.spec?.process?.environment ?? create(EnvironmentSchema);
    const format = formatOf(options);
    if (format === "json") {
      await printJson(session, EnvironmentSchema, environment);
      return exitCodes.ok;
    }
    const layers = [...environment.shared, environment];
    const vars: Record<string, string> = Object.fromEntries(layers.flatMap((layer) => Object.entries(layer.vars)));
    for (const [variable, value] of Object.entries(vars).sort(([a], [b]) => (a < b ? -1 : 1))) {
      out.write(format === "name" ? `${variable}\n` : `${variable}=${out.isTerminal ? safeText(value) : value}\n`);
    }
    if (format === "name") return exitCodes.ok;
    for (const { path, optional } of layers.flatMap(({ files }) => files))
      err.write(`${paint(err, "dim", `# and what ${safeText(path)} says${optional ? ", if it is there" : ""}`)}\n`);
    if (environment.inherit) err.write(`${paint(err, "dim", "# and what pmd itself was started with")}\n`);
    return exitCodes.ok;
  },
};
