import { DaemonService, type GetInfoResponse, GetInfoResponseSchema } from "../../gen/pm/v1/daemon_service_pb.ts";
import { printBlock } from "../block.ts";
import { exitCodes } from "../exit-codes.ts";
import { byteSize } from "../figures.ts";
import { printJson } from "../json-output.ts";
import { formatOf, type OutputOptions, outputOptions } from "../options.ts";
import { safeText } from "../safe-text.ts";
import { paint } from "../screen.ts";
import { clientOf, promptly, type Session } from "../session.ts";
import { ago, type TimeOptions } from "../time-text.ts";
import type { Verb } from "../verb.ts";
import { counted } from "../words.ts";

export const verb: Verb<OutputOptions & TimeOptions> = {
  description: "Shows who answers, where it keeps things, what it can do on this host, and what is wrong with it.",
  examples: ["pmctl daemon status", "pmctl daemon status --json | jq .pid"],
  addOptions(command) {
    outputOptions(command, ["table", "json"]).option("--abs-time", "times as RFC 3339, also on a terminal");
  },
  async run(session, { options }) {
    const info = await clientOf(session, DaemonService).getInfo({}, promptly(session));
    if (formatOf(options) === "json") await printJson(session, GetInfoResponseSchema, info);
    else printInfo(session, info, options);
    return exitCodes.ok;
  },
};

function printInfo(session: Session, info: GetInfoResponse, options: TimeOptions): void {
  const { out } = session;
  printBlock(out, `pmd ${info.version}`, [
    ["Process", `pid ${info.pid}, ${byteSize(Number(info.memoryBytes))}, ${info.runtime}`],
    ["Started", ago(session, info.startTime, options)],
    ["Services", `${counted(info.services, "service")}, ${counted(info.instancesRunning, "instance")} running, ${info.adopted} adopted`],
    ["Log pump", info.pumpPid > 0 ? `pid ${info.pumpPid}` : "not running"],
    ["Host", `${info.hostname}, ${info.kernel}`],
    ["Socket", info.socket],
    ["State", info.stateDir],
    ["Runtime", info.runtimeDir],
    ["Logs", info.logDir],
    ["Own log", info.logFile || "standard error"],
    ["Config", info.configFile],
  ]);
  if (info.capabilities.length > 0) out.write("\n");
  for (const { id, available, detail } of info.capabilities) {
    const mark = available ? paint(out, "green", "yes") : paint(out, "yellow", "no ");
    out.write(`  ${mark}  ${safeText(id)}${detail ? paint(out, "dim", `  ${safeText(detail)}`) : ""}\n`);
  }
  for (const { message } of info.problems) out.write(`\n${paint(out, "red", "problem:")} ${safeText(message)}\n`);
}
