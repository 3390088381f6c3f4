import { LogGap_Reason as GapReason, type LogEntry, type LogGap, LogStream } from "../gen/pm/v1/log_service_pb.ts";
import { localTime, rfc3339 } from "./figures.ts";
import { toMs } from "./quantities.ts";
import { safeLine } from "./safe-text.ts";
import { type Color, paint } from "./screen.ts";
import type { Session } from "./session.ts";
import { padText, textWidth } from "./text-width.ts";
import { shortName } from "./words.ts";

export interface LogStyle {
  readonly format: "text" | "raw";
  readonly timestamps: boolean;
}

export interface LogBatch {
  readonly entries: readonly LogEntry[];
  readonly gaps: readonly LogGap[];
}

const labelColors: readonly Color[] = ["cyan", "green", "yellow", "magenta", "blue"];

/** Prints lines of one source as they are, and of several behind the name of each. */
export class LogPrinter {
  readonly #session: Session;
  readonly #style: LogStyle;
  readonly #instances = new Set<string>();
  /** By instance; empty as long as there is only one. */
  #prefixes: ReadonlyMap<string, string> = new Map();
  /** The source whose line goes on in its next entry. */
  #openLine: string | undefined;

  constructor(session: Session, style: LogStyle) {
    this.#session = session;
    this.#style = style;
  }

  /** Instances whose lines may come: known early, the prefixes are aligned from the first line on. */
  expect(instances: Iterable<string>): void {
    const before = this.#instances.size;
    for (const instance of instances) this.#instances.add(instance);
    if (this.#instances.size !== before && this.#instances.size > 1) this.#prefixes = prefixesOf(this.#session, [...this.#instances].sort());
  }

  print({ entries, gaps }: LogBatch): void {
    if (entries.length === 0 && gaps.length === 0) return;
    this.expect(entries.map(({ instance }) => instance));
    const waiting = [...gaps].sort((a, b) => timeOf(a) - timeOf(b));
    let pieces: (string | Uint8Array)[] = [];
    const flush = () => {
      if (pieces.length > 0) this.#session.out.write(joinPieces(pieces));
      pieces = [];
    };
    for (const entry of entries) {
      while (waiting[0] && timeOf(waiting[0]) <= timeOf(entry)) {
        flush();
        this.printGap(waiting.shift() as LogGap);
      }
      pieces.push(...this.#piecesOf(entry));
    }
    flush();
    for (const gap of waiting) this.printGap(gap);
  }

  /** No more will come: a line that was left open gets its end, except where every byte counts. */
  end(): void {
    if (this.#openLine !== undefined && this.#style.format === "text") this.#session.out.write("\n");
    this.#openLine = undefined;
  }

  #piecesOf(entry: LogEntry): (string | Uint8Array)[] {
    const { format } = this.#style;
    const content = entry.content.case === "raw" ? entry.content.value : (entry.content.value ?? "");
    const end = entry.partial ? "" : "\n";
    if (format === "raw") return [content, end];
    const source = `${entry.instance} ${entry.stream}`;
    const goesOn = this.#openLine === source;
    const interrupted = this.#openLine !== undefined && !goesOn ? "\n" : "";
    this.#openLine = entry.partial ? source : undefined;
    return [interrupted, goesOn ? "" : this.#headOf(entry), this.#session.out.isTerminal ? this.#forTerminal(entry, content) : content, end];
  }

  #headOf({ instance, time }: LogEntry): string {
    const at = time && this.#style.timestamps ? toMs(time) : undefined;
    const { out } = this.#session;
    const stamp = at === undefined ? "" : `${paint(out, "dim", out.isTerminal ? localTime(at, "milliseconds") : rfc3339(at, "milliseconds"))} `;
    return stamp + (this.#prefixes.get(instance) ?? "");
  }

  #forTerminal({ stream }: LogEntry, content: string | Uint8Array): string {
    const text = typeof content === "string" ? content : new TextDecoder().decode(content);
    return paint(this.#session.out, stream === LogStream.STDERR ? "red" : undefined, safeLine(text));
  }

  printGap({ instance, reason, bytes }: LogGap): void {
    const { err } = this.#session;
    const what = bytes > 0n ? `${bytes} bytes missing` : "some output is missing";
    const whose = this.#instances.size > 1 ? `${shortName(instance)}: ` : "";
    err.write(`${paint(err, "dim", `-- ${whose}${what}: ${gapReason(reason)} --`)}\n`);
  }
}

function gapReason(reason: GapReason): string {
  switch (reason) {
    case GapReason.ROTATED_AWAY:
      return "rotated away before it was read";
    case GapReason.DROPPED:
      return "disk full";
    case GapReason.TRUNCATED:
      return "the file was cut or replaced";
    case GapReason.PUMP_KILLED:
      return "the log pump was killed";
    case GapReason.DAMAGED:
      return "the compressed file is damaged";
    default:
      return "reason unknown";
  }
}

/** `web#1 | `, aligned; a service of one instance goes by its own name. */
function prefixesOf({ out }: Session, instances: readonly string[]): Map<string, string> {
  const siblings = Map.groupBy(instances, (instance) => instance.replace(/#\d+$/, ""));
  const labels = instances.map((instance) => {
    const service = instance.replace(/#\d+$/, "");
    return shortName(siblings.get(service)?.length === 1 ? service : instance);
  });
  const width = Math.max(...labels.map(textWidth));
  return new Map(
    instances.map((instance, index) => [
      instance,
      `${paint(out, labelColors[index % labelColors.length], `${padText(labels[index] ?? "", width)} |`)} `,
    ]),
  );
}

function timeOf({ time }: LogEntry | LogGap): number {
  return time ? toMs(time) : 0;
}

function joinPieces(pieces: readonly (string | Uint8Array)[]): string | Uint8Array {
  if (pieces.every((piece) => typeof piece === "string")) return pieces.join("");
  return Buffer.concat(pieces.map((piece) => (typeof piece === "string" ? Buffer.from(piece) : piece)));
}
