import { DaemonService, ShutdownResponseSchema } from "../../gen/pm/v1/daemon_service_pb.ts";
import { exitCodes } from "../exit-codes.ts";
import { durationOption, formatOf, type OutputOptions, outputOptions } from "../options.ts";
import { durationOf } from "../quantities.ts";
import { reportResults, stopWording } from "../results.ts";
import { clientOf } from "../session.ts";
import type { Verb } from "../verb.ts";
import { patiently } from "../waiting.ts";

type DaemonStopOptions = OutputOptions & { readonly stopServices?: boolean; readonly timeout?: number };

export const verb: Verb<DaemonStopOptions> = {
  description: "Ends pmd. Services run on, and the next pmd finds them; with --stop-services they are stopped first, and pmd stays if that fails.",
  examples: ["pmctl daemon stop                  # services run on", "pmctl daemon stop --stop-services  # nothing runs on"],
  addOptions(command) {
    command.option("--stop-services", "stop all services first");
    outputOptions(durationOption(command, "--timeout <duration>", "how long stopping the services may take (60s)"), ["table", "json"]);
  },
  async run(session, { options }) {
    const { stopServices = false, timeout } = options;
    const format = formatOf(options);
    const startedAt = session.now();
    const request = { stopServices, ...(timeout !== undefined && { timeout: durationOf(timeout) }) };
    const message = await patiently(session, { timeout }, (call) => clientOf(session, DaemonService).shutdown(request, call));
    if (message.results.length > 0 || format === "json") {
      const exitCode = await reportResults(session, {
        schema: ShutdownResponseSchema,
        message,
        results: message.results,
        format,
        wording: stopWording,
        startedAt,
      });
      if (exitCode !== exitCodes.ok || format === "json") return exitCode;
    }
    session.out.write(
      stopServices ? "pmd  ended, and nothing of its services is left\n" : "pmd  ended; services run on, and the next pmd finds them\n",
    );
    return exitCodes.ok;
  },
};
