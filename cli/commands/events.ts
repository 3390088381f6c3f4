import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type Event,
  EventSchema,
  EventService,
  type EventType,
  EventTypeSchema,
  type ListEventsRequestSchema,
} from "../../gen/pm/v1/event_service_pb.ts";
import { exitCodes } from "../exit-codes.ts";
import { exitSentence } from "../exit-words.ts";
import { follow, notice } from "../follow.ts";
import { printJsonLines } from "../json-output.ts";
import { collect, formatOf, named, type OutputOptions, outputOptions, selectorHelp, selectorOptions } from "../options.ts";
import { parseTime, timestampOf } from "../quantities.ts";
import { safeText } from "../safe-text.ts";
import { paint } from "../screen.ts";
import { type SelectorOptions, selectorForRead } from "../selector.ts";
import { clientOf, promptly, type Session } from "../session.ts";
import { padText } from "../text-width.ts";
import { stamp, type TimeOptions } from "../time-text.ts";
import type { Verb } from "../verb.ts";
import { counted, enumWord, parseEnumWord, shortName } from "../words.ts";
import { parseLines } from "./logs.ts";

interface EventsOptions extends SelectorOptions, OutputOptions, TimeOptions {
  readonly follow?: boolean;
  readonly lines?: number;
  readonly since?: string;
  readonly type?: readonly string[];
}

export const verb: Verb<EventsOptions> = {
  operands: "[name...]",
  description: `Shows what has happened to services, and to pmd itself.\n\n${selectorHelp}`,
  examples: [
    "pmctl events -f                        # go on as it happens",
    "pmctl events web --since 1h            # one service, in the last hour",
    "pmctl events --type run-ended -o jsonl # how processes ended, for a program",
  ],
  addOptions(command) {
    command
      .option("-f, --follow", "go on as events happen")
      .option("-n, --lines <count>", "how many of the last events, or all (50; with --since all)", named("--lines", parseLines))
      .option("--since <time>", "not before this time: 10m, 2026-11-21T10:00:00Z")
      .option("--type <type>", "only of this type, such as state-changed; may be repeated", collect, undefined);
    outputOptions(selectorOptions(command), ["table", "json", "jsonl"]).option("--abs-time", "times as RFC 3339, also on a terminal");
  },
  async run(session, { operands, options }) {
    const isJson = formatOf(options) !== "table";
    for await (const { events, dropped } of readBatches(session, filterOf(session, operands, options), options)) {
      if (dropped > 0n) notice(session, `${counted(Number(dropped), "event")} gone before they could be read`);
      if (isJson) await printJsonLines(session, EventSchema, events);
      else for (const event of events) session.out.write(`${eventLine(session, event, options)}\n`);
    }
    return session.signal.aborted ? exitCodes.interrupted : exitCodes.ok;
  },
};

type Filter = NonNullable<MessageInitShape<typeof ListEventsRequestSchema>["filter"]>;

function filterOf(session: Session, names: readonly string[], options: EventsOptions): Filter {
  const since = options.since === undefined ? undefined : named("--since", (text) => parseTime(text, session.now()))(options.since);
  // Without a selector come the events of pmd itself, too.
  const isSelective = names.length > 0 || options.all || options.label || options.state || options.namespace;
  return {
    ...(isSelective && { selector: selectorForRead(names, options) }),
    types: (options.type ?? []).map((word) => parseEnumWord(EventTypeSchema, word, "type of event") as EventType),
    ...(since !== undefined && { since: timestampOf(since) }),
  };
}

async function* readBatches(session: Session, filter: Filter, options: EventsOptions): AsyncGenerator<{ events: Event[]; dropped: bigint }> {
  const client = clientOf(session, EventService);
  const count = options.lines ?? (options.since === undefined ? 50 : -1);
  let cursor = "";
  for (let isDone = count === 0; !isDone; ) {
    const page = await client.listEvents({ filter, cursor, tail: cursor ? 0 : Math.max(0, count) }, promptly(session));
    yield page;
    isDone = page.atEnd || page.cursor === cursor;
    cursor = page.cursor;
  }
  if (options.follow) yield* follow(session, cursor, (at, call) => client.followEvents({ filter, cursor: at }, call));
}

const subjectWidth = 12;

function eventLine(session: Session, event: Event, options: TimeOptions): string {
  const { out } = session;
  const what = event.message || enumWord(EventTypeSchema, event.type);
  const exit = event.exit && !event.message ? ` ${exitSentence(event.exit)}` : "";
  const subject = padText(safeText(event.subject ? shortName(event.subject) : "pmd"), subjectWidth);
  return `${paint(out, "dim", stamp(session, event.time, options))}  ${paint(out, "bold", subject)}  ${safeText(what)}${exit}`;
}
