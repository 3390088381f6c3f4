import { ConfigService, PlanConfigResponseSchema } from "../../gen/pm/v1/config_service_pb.ts";
import { type ApplyOptions, applyOptions, applyOptionsOf, configFileOf, type FileOptions, fileOptions } from "../config-file.ts";
import { exitCodes } from "../exit-codes.ts";
import { printJson } from "../json-output.ts";
import { formatOf, type OutputOptions, outputOptions } from "../options.ts";
import { isChange, printPlan } from "../plan-lines.ts";
import { paint } from "../screen.ts";
import { clientOf, promptly } from "../session.ts";
import type { Verb } from "../verb.ts";

export const verb: Verb<FileOptions & ApplyOptions & OutputOptions> = {
  description: `Shows what applying a file would change: for each service the effect on its processes, the fields, and where it is otherwise than the
file says because somebody stopped, scaled or changed it. Exits with 0 if nothing would change, and with 10 if something would.`,
  examples: ["pmctl diff                          # ./pm.yaml", "pmctl diff -f /etc/pmd/pm.yaml --prune"],
  addOptions(command) {
    outputOptions(applyOptions(fileOptions(command)), ["table", "json"]);
  },
  async run(session, { options }) {
    const request = { file: configFileOf(session, options), options: applyOptionsOf(options) };
    const message = await clientOf(session, ConfigService).planConfig(request, promptly(session));
    const { services = [], fingerprint = "" } = message.plan ?? {};
    const changes = services.some(isChange);
    if (formatOf(options) === "json") await printJson(session, PlanConfigResponseSchema, message);
    else {
      if (message.plan) printPlan(session, message.plan);
      if (changes) session.out.write(`${paint(session.out, "dim", `fingerprint ${fingerprint}`)}\n`);
    }
    return changes ? exitCodes.changes : exitCodes.ok;
  },
};
