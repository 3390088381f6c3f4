import { Command, CommanderError } from "commander";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { Failure, printFailure } from "./failure.ts";
import { durationOption } from "./options.ts";
import type { Screen } from "./screen.ts";
import type { Session } from "./session.ts";
import type { Verb } from "./verb.ts";
import { hostGroup, type VerbEntry, verbs } from "./verbs.ts";
import { version } from "./version.ts";

/** What every verb understands. */
export interface GlobalOptions {
  readonly socket?: string;
  readonly connectTimeout?: number;
  readonly color: boolean;
}

export interface World {
  readonly out: Screen;
  readonly err: Screen;
  openSession(options: GlobalOptions): Session;
}

/** From the words of the command line to an exit code. Only the file of the verb that is wanted gets loaded. */
export async function runProgram(argv: readonly string[], world: World): Promise<ExitCode> {
  // Commander drops the `--`, and with it the difference between `start web` and `start -- web`.
  const dashes = argv.indexOf("--");
  const rest = dashes === -1 ? undefined : argv.slice(dashes + 1);
  const words = dashes === -1 ? argv : argv.slice(0, dashes);
  let session: Session | undefined;
  let exitCode: ExitCode = exitCodes.ok;
  const program = createProgram(world, entriesFor(words), async (verb, operands, options) => {
    session = world.openSession(program.opts());
    exitCode = await verb.run(session, { operands, rest, options });
  });
  try {
    if (words[0] === "__complete") {
      const { printCompletions } = await import("./complete.ts");
      return await printCompletions(world, program, { words: rest ?? [], load: (command) => loadVerb(command, runNothing) });
    }
    await program.parseAsync(argv.length === 0 ? ["--help"] : helpOf(words), { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    return await reportError(error, world, session);
  }
}

/** A verb in the first place needs no others beside it; everything else may be about any of them. */
function entriesFor([first = ""]: readonly string[]): readonly VerbEntry[] {
  const named = verbs.filter(({ name, aliases }) => name === first || aliases?.includes(first));
  return named.length > 0 ? named : verbs;
}

/** `help start` is `start --help`: commander's own help would not load the file of the verb. */
function helpOf(words: readonly string[]): string[] {
  const [first, ...others] = words;
  return first === "help" && others.length > 0 ? [...others, "--help"] : [...words];
}

async function reportError(error: unknown, { err }: World, session: Session | undefined): Promise<ExitCode> {
  const failure = error instanceof Failure ? error : await explain(error, session);
  if (failure.exitCode === exitCodes.interrupted) err.write(`${failure.message}\n`);
  else printFailure(err, failure.message, failure.details);
  return failure.exitCode;
}

async function explain(error: unknown, session: Session | undefined): Promise<Failure> {
  if (!session) throw error;
  const { toFailure } = await import("./errors.ts");
  return toFailure(error, session);
}

/** For looking at what a verb takes. */
async function runNothing(): Promise<void> {}

type Run = (verb: Verb, operands: readonly string[], options: object) => Promise<void>;

function createProgram(world: Pick<World, "out" | "err">, entries: readonly VerbEntry[], run: Run): Command {
  const program = new Command("pmctl")
    .usage("VERB [NAME...] [options]")
    .description("Drives pmd, which keeps programs running.")
    .version(version, "-V, --version", "the version of pmctl")
    .helpOption("-h, --help", "help; also for one verb: pmctl start --help")
    .addHelpCommand(new Command("help").argument("[verb]").description("how a verb is used").helpGroup(hostGroup))
    .option("--socket <path>", "where pmd listens (PMCTL_SOCK)")
    .option("--no-color", "print without colours (NO_COLOR)")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => world.out.write(text),
      writeErr: (text) => world.err.write(text),
      getOutHelpWidth: () => Math.min(world.out.columns, 100),
      getErrHelpWidth: () => Math.min(world.err.columns, 100),
      getOutHasColors: () => world.out.colors,
      getErrHasColors: () => world.err.colors,
    })
    .configureHelp({ styleTitle: (title) => `\u001b[1m${title}\u001b[0m` });
  durationOption(program, "--connect-timeout <duration>", "how long pmd may take to answer (30s)");
  addVerbs(program, entries, run);
  return program;
}

/** Makes commands that know their names; what they take is added when the command line has named them. */
function addVerbs(parent: Command, entries: readonly VerbEntry[], run: Run): void {
  for (const entry of entries) {
    const command = parent.command(entry.name).summary(entry.summary).description(entry.summary);
    if (entry.load) loaders.set(command, entry.load);
    if (entry.aliases) command.aliases(entry.aliases);
    if (entry.group) command.helpGroup(entry.group);
    if (entry.verbs) addVerbs(command.usage("VERB [options]"), entry.verbs, run);
  }
  parent.hook("preSubcommand", (_parent, command) => loadVerb(command, run));
}

const loaders = new WeakMap<Command, NonNullable<VerbEntry["load"]>>();

async function loadVerb(command: Command, run: Run): Promise<void> {
  const load = loaders.get(command);
  loaders.delete(command);
  if (load) equip(command, (await load()).verb, run);
}

function equip(command: Command, verb: Verb, run: Run): void {
  if (verb.description) command.description(verb.description);
  if (verb.operands) command.arguments(verb.operands);
  verb.addOptions?.(command);
  command.helpOption("-h, --help", "this help");
  command.addHelpText("after", `\nExamples:\n${alignExamples(verb.examples)}`);
  command.action(async () => await run(verb, command.args, command.opts()));
}

function alignExamples(examples: readonly string[]): string {
  const pairs = examples.map((example) => example.split(/ +# /));
  const width = Math.max(...pairs.map(([command = "", comment]) => (comment ? command.length : 0)));
  return pairs.map(([command = "", comment]) => `  ${comment ? `${command.padEnd(width)}  # ${comment}` : command}`).join("\n");
}
