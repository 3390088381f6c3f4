import type { Command, Option } from "commander";
import { StateSchema } from "../gen/pm/v1/common_pb.ts";
import { EventTypeSchema } from "../gen/pm/v1/event_service_pb.ts";
import { RestartPolicy_ModeSchema, type Service } from "../gen/pm/v1/service_pb.ts";
import { SupervisorService } from "../gen/pm/v1/supervisor_service_pb.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { outputFormats } from "./options.ts";
import type { World } from "./program.ts";
import { clientOf, promptly } from "./session.ts";
import { commonSignals } from "./signals.ts";
import { enumWords, serviceName, shortName, stateWord } from "./words.ts";

// `pmctl __complete -- WORDS...` prints what could stand in place of the last word, a candidate a line, with a tab before what it is. The scripts
// of `pmctl completion` call it. Nothing printed means: a file, or nothing.

interface Candidate {
  readonly value: string;
  readonly about?: string;
}

interface Request {
  readonly words: readonly string[];
  /** Adds to a command what it takes. */
  readonly load: (command: Command) => Promise<void>;
}

/** Nobody waits longer for a completion. */
const answerMs = 1000;

export async function printCompletions(world: World, program: Command, { words, load }: Request): Promise<ExitCode> {
  const place = await findPlace(program, splitPairs(words), load);
  const list = async () => await listServices(world, place.socket);
  // To bash `--output=js` is three words, of which the last is replaced; to zsh and fish it is one, which is replaced whole.
  const [prefix = ""] = /^--[a-z-]+=/.exec(words.at(-1) ?? "") ?? [];
  for (const { value, about } of await candidatesAt(program, place, list)) {
    if (value.startsWith(place.current)) world.out.write(about ? `${prefix}${value}\t${about}\n` : `${prefix}${value}\n`);
  }
  return exitCodes.ok;
}

/** Where the cursor is: in which command, behind which option, with what typed so far. */
interface Place {
  readonly command: Command;
  readonly option: Option | undefined;
  readonly current: string;
  readonly operands: readonly string[];
  readonly behindDashes: boolean;
  readonly socket: string | undefined;
}

async function findPlace(program: Command, words: readonly string[], load: Request["load"]): Promise<Place> {
  let command = program;
  let option: Option | undefined;
  let socket: string | undefined;
  const operands: string[] = [];
  for (const word of words.slice(0, -1)) {
    if (word === "--") return { command, option: undefined, current: "", operands, behindDashes: true, socket };
    if (option) {
      if (option.long === "--socket") socket = word;
      option = undefined;
    } else if (word.startsWith("-")) {
      option = optionsOf(program, command).find(({ long, short, required }) => required && (long === word || short === word));
    } else {
      const next = command.commands.find((entry) => entry.name() === word || entry.aliases().includes(word));
      if (next) await load(next);
      if (next) command = next;
      else operands.push(word);
    }
  }
  return { command, option, current: words.at(-1) ?? "", operands, behindDashes: false, socket };
}

/** An option and its value as two words, however the shell takes `--output=js` apart. */
function splitPairs(words: readonly string[]): string[] {
  return words.flatMap((word, index) => {
    const isLast = index === words.length - 1;
    if (word === "=") return isLast ? [""] : [];
    const pair = /^(--[a-z-]+)=(.*)$/s.exec(word);
    return pair ? [pair[1] ?? "", pair[2] ?? ""] : [word];
  });
}

function optionsOf(program: Command, command: Command): Option[] {
  return [...command.options, ...(command === program ? [] : program.options)];
}

type List = () => Promise<Service[]>;

async function candidatesAt(program: Command, place: Place, list: List): Promise<Candidate[]> {
  const { command, option, current, behindDashes } = place;
  if (behindDashes) return [];
  if (option) return await valuesOf(option, list);
  if (current.startsWith("-")) {
    return optionsOf(program, command).flatMap(({ long, description }) => (long ? [{ value: long, about: description }] : []));
  }
  if (command.commands.length > 0) return command.commands.map((entry) => ({ value: entry.name(), about: entry.summary() }));
  return await operandsOf(place, list);
}

async function valuesOf({ long }: Option, list: List): Promise<Candidate[]> {
  switch (long) {
    case "--output":
      return plain(outputFormats);
    case "--state":
      return plain(enumWords(StateSchema));
    case "--signal":
    case "--stop-signal":
      return plain(commonSignals);
    case "--restart":
      return plain(enumWords(RestartPolicy_ModeSchema));
    case "--type":
      return plain(enumWords(EventTypeSchema));
    case "--for":
      return plain(["ready", "stopped"]);
    case "--namespace":
      return plain((await list()).map(({ namespace }) => namespace));
    case "--label":
      return plain((await list()).flatMap(({ spec }) => Object.entries(spec?.labels ?? {}).map(([name, value]) => `${name}=${value}`)));
    default:
      return [];
  }
}

async function operandsOf({ command, current, operands }: Place, list: List): Promise<Candidate[]> {
  const [argument] = command.registeredArguments;
  if (!argument || (operands.length > 0 && !argument.variadic)) return [];
  switch (argument.name()) {
    case "shell":
      return plain(argument.argChoices ?? []);
    case "name=count":
      return (await list()).map((service) => ({ value: `${serviceName(service)}=`, about: `${service.status?.instancesDesired ?? 0} now` }));
    case "name":
    case "what":
      return (await list()).flatMap((service) => namesOf(service, current)).filter(({ value }) => !operands.includes(value));
    default:
      return [];
  }
}

/** The service and, once its name is typed, its instances. */
function namesOf(service: Service, current: string): Candidate[] {
  const name = serviceName(service);
  const instances = service.status?.instances ?? [];
  const whole = { value: name, about: stateWord(service.status?.state ?? 0) };
  if (!current.startsWith(name) || instances.length < 2) return [whole];
  return [whole, ...instances.map((instance) => ({ value: shortName(instance.name), about: stateWord(instance.state) }))];
}

/** Without pmd there are no names, and a completion is no place for complaints. */
async function listServices(world: World, socket: string | undefined): Promise<Service[]> {
  const session = { ...world.openSession({ ...(socket && { socket }), color: false }), answerMs };
  try {
    const { services } = await clientOf(session, SupervisorService).listServices({ selector: { all: true, namespace: "*" } }, promptly(session));
    return services;
  } catch {
    return [];
  }
}

function plain(values: readonly string[]): Candidate[] {
  return [...new Set(values)].map((value) => ({ value }));
}
