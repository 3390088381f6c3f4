import { applyFile, reportApplied } from "../apply-file.ts";
import { type ApplyOptions, applyOptions, applyOptionsOf } from "../config-file.ts";
import { type OutputOptions, outputOptions, waitOptions } from "../options.ts";
import type { Verb } from "../verb.ts";
import type { WaitOptions } from "../waiting.ts";

export const verb: Verb<ApplyOptions & WaitOptions & OutputOptions> = {
  description: `Applies the file that pmd was started with again; SIGHUP to pmd does the same. A file that is not valid changes nothing: what it said before holds.`,
  examples: ["pmctl reload-config", "pmctl reload-config --prune   # and delete what it does not define any more"],
  addOptions(command) {
    outputOptions(waitOptions(applyOptions(command)), ["table", "json"]);
  },
  async run(session, { options }) {
    return await reportApplied(session, await applyFile(session, { options: applyOptionsOf(options) }, options), options);
  },
};
