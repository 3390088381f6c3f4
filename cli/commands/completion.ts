import type { Command } from "commander";
import { completionScripts } from "../completion-scripts.ts";
import { exitCodes } from "../exit-codes.ts";
import { usageError } from "../failure.ts";
import type { Verb } from "../verb.ts";

const shells = Object.keys(completionScripts);

export const verb: Verb = {
  operands: "<shell>",
  description: `Prints a script that completes verbs, options and live names. Shells: ${shells.join(", ")}.`,
  examples: [
    `source <(pmctl completion bash)                                 # in ~/.bashrc`,
    `pmctl completion zsh > "\${fpath[1]}/_pmctl"                     # then start zsh anew`,
    "pmctl completion fish > ~/.config/fish/completions/pmctl.fish",
  ],
  addOptions(command: Command) {
    command.registeredArguments[0]?.choices(shells);
  },
  async run({ out }, { operands: [shell = ""] }) {
    const script = completionScripts[shell];
    if (script === undefined) throw usageError(`${JSON.stringify(shell)} is no shell that is known here: say ${shells.join(", ")}`);
    out.write(script);
    return exitCodes.ok;
  },
};
