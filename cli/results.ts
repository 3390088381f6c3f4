import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { TargetResult_Outcome as Outcome, State, type TargetResult, TargetResultSchema } from "../gen/pm/v1/common_pb.ts";
import type { ExitCode } from "./exit-codes.ts";
import { printFailure } from "./failure.ts";
import { spokenDuration } from "./figures.ts";
import { printJson, printJsonLines } from "./json-output.ts";
import type { OutputFormat } from "./options.ts";
import { problemDetails, worstExitCode } from "./problem.ts";
import { safeText } from "./safe-text.ts";
import type { Session } from "./session.ts";
import { padText, textWidth } from "./text-width.ts";
import { counted, shortName, stateWord } from "./words.ts";

/** What a verb says of a target that it succeeded with. */
export interface Wording {
  readonly done: (result: TargetResult) => string;
  readonly unchanged?: (result: TargetResult) => string;
  readonly accepted?: (result: TargetResult) => string;
  /** False where it takes no time worth telling. */
  readonly timed?: boolean;
}

interface Answer<Desc extends DescMessage> {
  readonly schema: Desc;
  readonly message: MessageShape<Desc> & { readonly results: TargetResult[] };
  /** What to say in words, if not the results of the message. */
  readonly results?: readonly TargetResult[];
  readonly format: OutputFormat;
  readonly wording: Wording;
  /** When the verb began. */
  readonly startedAt: number;
}

/** Prints what became of each target, and says how the verb shall end. */
export async function reportResults<Desc extends DescMessage>(session: Session, answer: Answer<Desc>): Promise<ExitCode> {
  const { schema, message, results = message.results, format, wording, startedAt } = answer;
  const failed = results.filter(({ outcome }) => outcome === Outcome.FAILED);
  switch (format) {
    case "json":
      await printJson(session, schema, message);
      break;
    case "jsonl":
      await printJsonLines(session, TargetResultSchema, results);
      break;
    case "name":
      for (const result of results) if (result.outcome !== Outcome.FAILED) session.out.write(`${shortName(result.name)}\n`);
      break;
    case "table":
    case "wide":
      printLines(session, results, wording, spokenDuration(session.now() - startedAt));
  }
  if (format !== "json" && format !== "jsonl") printFailures(session, failed);
  return worstExitCode(failed.map(({ problem }) => problem?.reason ?? ""));
}

function printLines({ out }: Session, results: readonly TargetResult[], wording: Wording, took: string): void {
  const succeeded = results.filter(({ outcome }) => outcome !== Outcome.FAILED);
  if (results.length === 0) out.write("nothing is selected\n");
  const width = Math.max(0, ...succeeded.map(({ name }) => textWidth(shortName(name))));
  for (const result of succeeded) {
    const time = results.length === 1 && result.outcome === Outcome.DONE && wording.timed !== false ? ` in ${took}` : "";
    out.write(`${padText(safeText(shortName(result.name)), width)}  ${sentence(result, wording)}${time}\n`);
  }
}

function sentence(result: TargetResult, { done, unchanged, accepted }: Wording): string {
  switch (result.outcome) {
    case Outcome.UNCHANGED:
      return (unchanged ?? done)(result);
    case Outcome.ACCEPTED:
      return (accepted ?? done)(result);
    default:
      return done(result);
  }
}

/** On standard error, why each of them failed. */
export function printFailures({ err }: Session, failed: readonly TargetResult[]): void {
  for (const { name, problem } of failed) {
    const message = safeText(problem?.message || `${shortName(name)} failed`);
    printFailure(err, message, problem ? problemDetails(problem) : []);
  }
}

const mostPids = 8;

/** `running (pid 4711)`, `2 instances running (pids 4711, 4712)`; another state by its word. */
export function describeRunning({ state, pids }: Pick<TargetResult, "state" | "pids">): string {
  const count = pids.length > 1 ? `${counted(pids.length, "instance")} ` : "";
  return count + stateAndPids({ state, pids });
}

function stateAndPids({ state, pids }: Pick<TargetResult, "state" | "pids">): string {
  const word = stateWord(state);
  if (pids.length < 2) return pids.length === 0 ? word : `${word} (pid ${pids[0]})`;
  return `${word} (pids ${pids.slice(0, mostPids).join(", ")}${pids.length > mostPids ? ", …" : ""})`;
}

export const startWording: Wording = {
  done: describeRunning,
  unchanged: (result) => `already ${stateAndPids(result)}`,
  accepted: () => "will be started",
};

export const stopWording: Wording = {
  done: () => "stopped",
  unchanged: ({ state }) => (state === State.STOPPED ? "already stopped" : `not running (${stateWord(state)})`),
  accepted: () => "will be stopped",
};
