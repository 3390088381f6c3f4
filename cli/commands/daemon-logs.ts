import { DaemonService } from "../../gen/pm/v1/daemon_service_pb.ts";
import { exitCodes } from "../exit-codes.ts";
import { named } from "../options.ts";
import { clientOf, promptly } from "../session.ts";
import { showFile } from "../show-file.ts";
import type { Verb } from "../verb.ts";
import { parseLines } from "./logs.ts";

type DaemonLogsOptions = { readonly follow?: boolean; readonly lines?: number };

export const verb: Verb<DaemonLogsOptions> = {
  description: "Shows pmd's own log, if it writes one to a file (pmd --log-file).",
  examples: ["pmctl daemon logs -n 100", "pmctl daemon logs -f   # go on as it is written"],
  addOptions(command) {
    command
      .option("-f, --follow", "go on as lines are written")
      .option("-n, --lines <count>", "how many of the last lines, or all (50)", named("--lines", parseLines));
  },
  async run(session, { options: { follow = false, lines = 50 } }) {
    const { logFile } = await clientOf(session, DaemonService).getInfo({}, promptly(session));
    if (logFile === "") {
      session.err.write("pmd writes its log to its standard error: look where it was started, or with journalctl -u pmd\n");
      return exitCodes.ok;
    }
    return await showFile(session, logFile, { follow, lines });
  },
};
