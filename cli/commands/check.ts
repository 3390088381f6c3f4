import { ConfigService, ValidateConfigResponseSchema } from "../../gen/pm/v1/config_service_pb.ts";
import { configFileOf, type FileOptions, fileOptions } from "../config-file.ts";
import { exitCodes } from "../exit-codes.ts";
import { printJson } from "../json-output.ts";
import { formatOf, type OutputOptions, outputOptions } from "../options.ts";
import { safeText } from "../safe-text.ts";
import { clientOf, promptly } from "../session.ts";
import type { Verb } from "../verb.ts";
import { counted } from "../words.ts";

export const verb: Verb<FileOptions & OutputOptions> = {
  description: "Says all that is wrong with a file, each with file, line and column, and changes nothing. It exits with 2 when something is.",
  examples: ["pmctl check                  # ./pm.yaml", "pmctl check -f /etc/pmd/pm.yaml"],
  addOptions(command) {
    outputOptions(fileOptions(command), ["table", "json"]);
  },
  async run(session, { options }) {
    const message = await clientOf(session, ConfigService).validateConfig({ file: configFileOf(session, options) }, promptly(session));
    if (formatOf(options) === "json") await printJson(session, ValidateConfigResponseSchema, message);
    else session.out.write(`${safeText(message.source)} is valid: ${counted(message.services.length, "service")}\n`);
    return exitCodes.ok;
  },
};
