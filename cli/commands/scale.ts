import { ScaleServiceResponseSchema, SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { carryOut } from "../carry-out.ts";
import { spokenResults } from "../create-service.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { usageError } from "../failure.ts";
import { formatOf, type OutputOptions, outputOptions, waitOptions } from "../options.ts";
import { parseCount } from "../quantities.ts";
import { reportResults } from "../results.ts";
import { clientOf, type Session } from "../session.ts";
import type { Verb } from "../verb.ts";
import { type WaitOptions, waitOf } from "../waiting.ts";

type ScaleOptions = WaitOptions & OutputOptions & { readonly reset?: boolean; readonly namespace?: string };

export const verb: Verb<ScaleOptions> = {
  operands: "<name=count...>",
  description: "Sets how many instances of a service there are, until it is set again. It survives a restart of pmd.",
  examples: [
    "pmctl scale web=4         # or: pmctl scale web 4",
    "pmctl scale web=4 api=2   # one after the other",
    "pmctl scale web --reset   # back to what its spec says",
  ],
  addOptions(command) {
    command.option("--reset", "as many as the spec says").option("-N, --namespace <namespace>", "where names belong that do not say");
    outputOptions(waitOptions(command));
  },
  async run(session, { operands, options }) {
    let exitCode: ExitCode = exitCodes.ok;
    for (const scale of parseScales(operands, options)) {
      const ended = await scaleOne(session, scale, options);
      if (ended !== exitCodes.ok) exitCode = ended;
    }
    return exitCode;
  },
};

interface Scale {
  readonly name: string;
  /** Absent: what the spec says. */
  readonly instances?: number;
}

/** `web=4 api=2`, `web 4`, or names alone to reset them. */
export function parseScales(operands: readonly string[], { reset, namespace }: Pick<ScaleOptions, "reset" | "namespace">): Scale[] {
  const inNamespace = (name: string) => (namespace && !name.includes("/") ? `${namespace}/${name}` : name);
  if (reset) return operands.map((name) => ({ name: inNamespace(name) }));
  const [first = "", second] = operands;
  const isPair = operands.length === 2 && !first.includes("=") && second !== undefined && !second.includes("=");
  return (isPair ? [`${first}=${second}`] : operands).map((text) => {
    const at = text.lastIndexOf("=");
    if (at < 1) throw usageError(`${text}: say how many: pmctl scale ${text}=4`);
    return { name: inNamespace(text.slice(0, at)), instances: parseCount(text.slice(at + 1), 1000) };
  });
}

async function scaleOne(session: Session, scale: Scale, options: ScaleOptions): Promise<ExitCode> {
  const format = formatOf(options);
  const startedAt = session.now();
  const task = { doing: "scaling", goal: "ready" as const, selector: { names: [scale.name] }, options };
  const message = await carryOut(session, task, (call) =>
    clientOf(session, SupervisorService).scaleService({ ...scale, wait: waitOf(options) }, call),
  );
  return await reportResults(session, { schema: ScaleServiceResponseSchema, message, ...spokenResults(message), format, startedAt });
}
