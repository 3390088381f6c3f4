import { ConfigService, PlanConfigResponseSchema } from "../../gen/pm/v1/config_service_pb.ts";
import { applyFile, reportApplied } from "../apply-file.ts";
import { type ApplyOptions, applyOptions, applyOptionsOf, configFileOf, type FileOptions, fileOptions } from "../config-file.ts";
import { exitCodes } from "../exit-codes.ts";
import { printJson } from "../json-output.ts";
import { formatOf, type OutputOptions, outputOptions, waitOptions } from "../options.ts";
import { printPlan } from "../plan-lines.ts";
import { clientOf, promptly } from "../session.ts";
import type { Verb } from "../verb.ts";
import type { WaitOptions } from "../waiting.ts";

type ApplyVerbOptions = FileOptions & ApplyOptions & WaitOptions & OutputOptions & { readonly dryRun?: boolean; readonly fingerprint?: string };

export const verb: Verb<ApplyVerbOptions> = {
  description: `Makes services be what a file says. Their specs are changed all or none; then what is new is started, what runs something else now is
restarted, and all others keep their processes. What was stopped or scaled by hand stays so.`,
  examples: [
    "pmctl apply                            # ./pm.yaml",
    "pmctl apply -f /etc/pmd/pm.yaml --prune",
    "pmctl apply --dry-run                  # only say what would be done",
    "pmctl apply --fingerprint 1f2e3d4c5b6a7980   # just what diff has shown, or nothing",
  ],
  addOptions(command) {
    applyOptions(fileOptions(command))
      .option("--dry-run", "only say what would be done")
      .option("--fingerprint <fingerprint>", "refuse if what is to be done is not the plan that diff gave this fingerprint");
    outputOptions(waitOptions(command), ["table", "json"]);
  },
  async run(session, { options }) {
    const request = { file: configFileOf(session, options), options: applyOptionsOf(options) };
    if (!options.dryRun) {
      const message = await applyFile(session, { ...request, fingerprint: options.fingerprint ?? "" }, options);
      return await reportApplied(session, message, options);
    }
    const message = await clientOf(session, ConfigService).planConfig(request, promptly(session));
    if (formatOf(options) === "json") await printJson(session, PlanConfigResponseSchema, message);
    else if (message.plan) printPlan(session, message.plan);
    return message.plan?.services.some(({ conflict }) => conflict !== "") ? exitCodes.conflict : exitCodes.ok;
  },
};
