import { ConfigService, ListRevisionsResponseSchema, type Revision } from "../../gen/pm/v1/config_service_pb.ts";
import { exitCodes } from "../exit-codes.ts";
import { printJson } from "../json-output.ts";
import { formatOf, type OutputOptions, outputOptions } from "../options.ts";
import { safeText } from "../safe-text.ts";
import { commandLine } from "../service-figures.ts";
import { clientOf, promptly } from "../session.ts";
import { tableLines } from "../table.ts";
import { ago, isRelative, type TimeOptions } from "../time-text.ts";
import type { Verb } from "../verb.ts";

export const verb: Verb<OutputOptions & TimeOptions> = {
  operands: "<name>",
  description: "Lists the specs that a service has had, the newest first: that is the one that holds. The last 20 are kept.",
  examples: ["pmctl history web", "pmctl history web --json | jq '.revisions[1].spec'"],
  addOptions(command) {
    outputOptions(command, ["table", "json"]).option("--abs-time", "times as RFC 3339, also on a terminal");
  },
  async run(session, { operands: [name = ""], options }) {
    const message = await clientOf(session, ConfigService).listRevisions({ name }, promptly(session));
    if (formatOf(options) === "json") await printJson(session, ListRevisionsResponseSchema, message);
    else {
      const columns = [
        { title: "REVISION", cell: ({ generation }: Revision) => String(generation), align: "right" as const },
        { title: isRelative(session, options) ? "SINCE" : "TIME", cell: ({ createTime }: Revision) => ago(session, createTime, options) },
        { title: "FROM", cell: ({ origin }: Revision) => safeText(origin || "the API") },
        { title: "COMMAND", cell: ({ spec }: Revision) => safeText(commandLine(spec?.process?.command)), shrinkTo: 10 },
      ];
      session.out.write(`${tableLines(session.out, columns, message.revisions).join("\n")}\n`);
    }
    return exitCodes.ok;
  },
};
