import { toJson } from "@bufbuild/protobuf";
import { DaemonService, GetInfoResponseSchema } from "../../gen/pm/v1/daemon_service_pb.ts";
import { exitCodes } from "../exit-codes.ts";
import { formatOf, type OutputOptions, outputOptions } from "../options.ts";
import { safeText } from "../safe-text.ts";
import { paint } from "../screen.ts";
import { clientOf, promptly } from "../session.ts";
import type { Verb } from "../verb.ts";
import { version } from "../version.ts";

export const verb: Verb<OutputOptions> = {
  description: "Shows the versions of pmctl and of the pmd that answers.",
  examples: ["pmctl version", "pmctl --version   # of pmctl alone; needs no pmd"],
  addOptions(command) {
    outputOptions(command, ["table", "json"]);
  },
  async run(session, { options }) {
    const { out, err } = session;
    const isJson = formatOf(options) === "json";
    if (!isJson) out.write(`pmctl  ${version}  node ${process.version}\n`);
    const info = await clientOf(session, DaemonService).getInfo({}, promptly(session));
    if (isJson) out.write(`${JSON.stringify({ pmctl: { version }, pmd: toJson(GetInfoResponseSchema, info) }, undefined, 2)}\n`);
    else out.write(`pmd    ${safeText(info.version)}  ${safeText(info.runtime)}  pid ${info.pid}\n`);
    if (info.version !== version) {
      err.write(`${paint(err, "yellow", "note:")} pmctl and pmd differ: what only the newer one knows will not work\n`);
    }
    return exitCodes.ok;
  },
};
