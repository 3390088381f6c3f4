import { Code, ConnectError } from "@connectrpc/connect";
import type { Command } from "commander";
import { RestartPolicy_ModeSchema } from "../../gen/pm/v1/service_pb.ts";
import { StartServicesResponseSchema, SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { carryOut } from "../carry-out.ts";
import { createService } from "../create-service.ts";
import type { ExitCode } from "../exit-codes.ts";
import { Failure } from "../failure.ts";
import {
  collect,
  collectOne,
  durationOption,
  formatOf,
  named,
  type OutputOptions,
  outputOptions,
  selectorHelp,
  selectorOptions,
  waitOptions,
} from "../options.ts";
import { isFile } from "../program-path.ts";
import { parseCount, parsePort, parseSize } from "../quantities.ts";
import { reportResults, startWording } from "../results.ts";
import { safeText } from "../safe-text.ts";
import { type SelectorOptions, selectorForVerb } from "../selector.ts";
import type { SpecOptions } from "../service-spec.ts";
import { clientOf, type Session } from "../session.ts";
import { planStart } from "../start-plan.ts";
import type { Verb } from "../verb.ts";
import { type WaitOptions, waitOf } from "../waiting.ts";
import { parseEnumWord } from "../words.ts";

export type StartOptions = SelectorOptions &
  WaitOptions &
  OutputOptions &
  SpecOptions & { readonly name?: string; readonly shell?: string; readonly replace?: boolean; readonly force?: boolean };

export const verb: Verb<StartOptions> = {
  operands: "[what...]",
  description: `Starts services that are known, by name, or makes a new one of a script, a program or a shell line and starts it.
What is made runs in this directory, with the PATH of this shell; its arguments stand behind "--". What a service depends on is started along.

${selectorHelp}`,
  examples: [
    "pmctl start web                                     # a service that is known",
    "pmctl start ./app.js -i 4 -- --port 8080            # a new one, of a script",
    "pmctl start --name web -e PORT=80 -- node app.js    # of a program",
    "pmctl start --name tick --shell 'while sleep 1; do date; done'",
  ],
  addOptions(command) {
    outputOptions(waitOptions(selectorOptions(command)));
    specOptions(command);
  },
  async run(session, { operands, rest, options }) {
    const plan = planStart({ operands, rest, name: options.name, shell: options.shell }, isFile);
    if (plan.type === "create") return await createService(session, plan, options);
    return await startKnown(session, plan.names, options);
  },
};

function specOptions(command: Command): void {
  command
    .optionsGroup("To make a new one:")
    .option("-n, --name <name>", "its name; a script lends its own")
    .option("-i, --instances <count>", "how many to run", named("--instances", parseCount))
    .option("-p, --port <range>", "a TCP port, in $PORT; one an instance: 3000, 3000-3003, auto:5000-5100", named("--port", parsePort))
    .option("-e, --env <name=value>", "a variable; without a value the one of this shell; may be repeated", collectOne, undefined)
    .option("--env-file <file>", "NAME=value lines, read at each start; may be repeated", collectOne, undefined)
    .option("--inherit-env", "begin with pmd's own environment instead of a clean one")
    .option("--cwd <directory>", "where to run it, if not here")
    .option("--shell <line>", "a line for /bin/sh instead of a program")
    .option(
      "--restart <mode>",
      "always, on-failure or never",
      named("--restart", (text) => parseEnumWord(RestartPolicy_ModeSchema, text, "mode")),
    )
    .option("--max-restarts <count>", "give up after more restarts than this in ten minutes", named("--max-restarts", parseCount));
  durationOption(command, "--restart-delay <duration>", "before the first restart; doubles with each");
  command
    .option("--stop-signal <signal>", "asks it to end, instead of TERM")
    .option("--stop-command <line>", "ends it, instead of a signal; its process is $PM_PID");
  durationOption(command, "--grace <duration>", "time to end by itself before it is killed");
  command
    .option("--stdout <file>", "where its output goes")
    .option("--stderr <file>", "where its error output goes")
    .option("--rotate-size <size>", "begin a new log file at this size", named("--rotate-size", parseSize))
    .option("--health-url <url>", "it is ready when this answers, and restarted when it does not any more")
    .option("--health-command <line>", "the same with a line for the shell that succeeds")
    .option("--restart-above <size>", "restart it when it uses more memory than this", named("--restart-above", parseSize))
    .option("--no-autostart", "do not start it, now or when pmd starts", true)
    .option(
      "--depends-on <name>",
      "start it after this service, and only with it; name:started or :completed-ok; may be repeated",
      collect,
      undefined,
    )
    .option("--description <text>", "a sentence about it")
    .option("--replace", "if there is one of this name, change it")
    .option("--force", "with --replace: also if a file defines it");
}

async function startKnown(session: Session, names: readonly string[], options: StartOptions): Promise<ExitCode> {
  const selector = selectorForVerb("start", names, options);
  const format = formatOf(options);
  const startedAt = session.now();
  try {
    const message = await carryOut(session, { doing: "starting", goal: "ready", selector, options }, (call) =>
      clientOf(session, SupervisorService).startServices({ selector, wait: waitOf(options) }, call),
    );
    return await reportResults(session, { schema: StartServicesResponseSchema, message, format, wording: startWording, startedAt });
  } catch (error) {
    throw ConnectError.from(error).code === Code.NotFound ? await withHint(session, error, names) : error;
  }
}

/** Somebody who meant to make a service hears how. */
async function withHint(session: Session, error: unknown, names: readonly string[]): Promise<Failure> {
  const { toFailure } = await import("../errors.ts");
  const { message, exitCode } = toFailure(error, session);
  const [name = "NAME"] = names;
  return new Failure(message, exitCode, [`to make a new one: pmctl start --name ${safeText(name)} -- PROGRAM ARGS...`]);
}
