import { create } from "@bufbuild/protobuf";
import { type Command as CommandMessage, CommandSchema } from "../../gen/pm/v1/process_pb.ts";
import type { Command } from "../core/spec.ts";
import type { Violation } from "../errors.ts";

/** Stands for a value that is not to be seen in reads; in an update it keeps the value that is there. */
export const maskedValue = "********";

export function toCommand(message: CommandMessage | undefined, field: string, violations: Violation[]): Command {
  const { argv, shell, args } = message ?? create(CommandSchema);
  if (argv[0] === "") violations.push({ field: `${field}.argv[0]`, message: "the name of the program is empty" });
  return { argv: [...argv], shell, args: [...args] };
}

export function fromCommand(command: Command): CommandMessage {
  return create(CommandSchema, { argv: [...command.argv], shell: command.shell, args: [...command.args] });
}
