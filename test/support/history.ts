import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { EventService, EventType } from "../../gen/pm/v1/event_service_pb.ts";
import { ExitRecord_Cause as Cause } from "../../gen/pm/v1/process_pb.ts";
import { checkHistory, type Fact } from "./check-history.ts";
import type { TestDaemon } from "./daemon.ts";

/** Begins a shell line: takes the lock of the instance for itself and all that it starts, and writes down whom it finds there. */
const alone = `who="$PM_SERVICE#$PM_INSTANCE $PM_RUN_ID"
exec 9>>"lock-$PM_SERVICE-$PM_INSTANCE"
flock -n 9 || { echo "twin $who" >>history; exit 99; }
echo "began $who $$" >>history
`;

/** Shell lines that keep a history, for the working directory of a test's services. */
export const witnesses = {
  /** Lives until it is told to end. */
  lasting: `${alone}exec sleep 1000`,
  /** Has to be killed, and a child of it too. */
  stubborn: `${alone}trap "" TERM; while :; do sleep 1; done`,
  /** Writes `<run> 1`, `<run> 2` … to stdout and stderr, in bursts, until it is told to end. */
  counting: `${alone}i=0; while :; do i=$((i+1)); echo "$PM_RUN_ID $i"; echo "$PM_RUN_ID $i" >&2; [ $((i % 100)) = 0 ] && sleep 0.02; done`,
  /** Ends soon; before it does, it has written as many such lines as its code says. */
  lastWords: `${alone}trap "" TERM; code=$(( $$ % 100 )); i=0
while [ $i -lt $code ]; do i=$((i+1)); echo "$PM_RUN_ID $i"; echo "$PM_RUN_ID $i" >&2; done
echo "ending $who $code" >>history; exit $code`,
  /** Ends soon, with a code that it writes down first. */
  mortal: `${alone}sleep 0.0$(( $$ % 10 )); trap "" TERM; code=$(( $$ % 100 )); echo "ending $who $code" >>history; exit $code`,
};

/** Collects what is known of a test, and has it judged. */
export class History {
  readonly #daemon: TestDaemon;
  readonly #facts: Fact[] = [];

  constructor(daemon: TestDaemon) {
    this.#daemon = daemon;
  }

  add(...facts: Fact[]): void {
    this.#facts.push(...facts);
  }

  /** What the services have written until now. */
  written(): Fact[] {
    const path = join(this.#daemon.root, "history");
    const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(0, -1) : [];
    return lines.map(parseLine);
  }

  /** How often something began; a service that is started again has begun once more. */
  lives(service: string): number {
    return this.written().filter((fact) => fact.type === "began" && fact.instance.startsWith(`${service}#`)).length;
  }

  /** What was broken of the promises, a line each. */
  async violations(): Promise<string[]> {
    return checkHistory([...this.written(), ...this.#facts, ...(await this.#recorded())]);
  }

  async #recorded(): Promise<Fact[]> {
    const filter = { types: [EventType.RUN_ENDED] };
    const { events } = await this.#daemon.client(EventService).listEvents({ filter, maxEvents: 10_000 });
    return events.map(({ subject, runId, exit }) => ({
      type: "recorded",
      instance: subject.replace(/^default\//, ""),
      run: runId,
      cause:
        Object.entries(Cause)
          .find(([, value]) => value === exit?.cause)?.[0]
          .toLowerCase() ?? "",
      ...(exit?.code !== undefined && { code: exit.code }),
    }));
  }
}

function parseLine(line: string): Fact {
  const [type, instance = "", run = "", number] = line.split(" ");
  if (type === "began") return { type, instance, run, pid: Number(number) };
  if (type === "twin") return { type, instance, run };
  if (type === "ending") return { type, instance, run, code: Number(number) };
  throw new Error(`a history has the line ${line}`);
}
