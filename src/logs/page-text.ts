import { displayName, serviceOf } from "../core/names.ts";
import type { GapReason, LogEntry, LogGap } from "./log-stream.ts";
import { safeLine } from "./safe-line.ts";

export interface PageStyle {
  /** Of all whose lines may come: of several, each line says whose it is. */
  readonly instances: readonly string[];
  readonly timestamps: boolean;
  /** The bytes as they were written, and nothing else. */
  readonly raw: boolean;
  /** For a terminal, which must not obey them. */
  readonly safe: boolean;
}

/** Entries as lines of text, over pages: an entry that is only the beginning of a line waits for the rest. */
export class PageText {
  readonly #style: PageStyle;
  /** By instance; empty as long as there is only one. */
  readonly #labels: ReadonlyMap<string, string>;
  /** The source whose line goes on in its next entry. */
  #openLine: string | undefined;

  constructor(style: PageStyle) {
    this.#style = style;
    this.#labels = style.instances.length > 1 ? labelsOf(style.instances) : new Map();
  }

  linesOf(entries: readonly LogEntry[]): Buffer {
    return Buffer.concat(entries.flatMap((entry) => this.#piecesOf(entry)));
  }

  /** No more will come: a line that was left open gets its end, except where every byte counts. */
  end(): string {
    return this.#openLine === undefined || this.#style.raw ? "" : "\n";
  }

  #piecesOf(entry: LogEntry): Buffer[] {
    const { raw, safe } = this.#style;
    const end = Buffer.from(entry.partial ? "" : "\n");
    if (raw) return [entry.bytes, end];
    const source = `${entry.instance} ${entry.stream}`;
    const goesOn = this.#openLine === source;
    const interrupted = this.#openLine !== undefined && !goesOn ? "\n" : "";
    this.#openLine = entry.partial ? source : undefined;
    const head = Buffer.from(interrupted + (goesOn ? "" : this.#headOf(entry)));
    return [head, safe ? Buffer.from(safeLine(entry.bytes.toString())) : entry.bytes, end];
  }

  #headOf({ instance, timeMs }: LogEntry): string {
    const time = this.#style.timestamps ? `${new Date(timeMs).toISOString()} ` : "";
    return time + (this.#labels.get(instance) ?? "");
  }
}

/** `web#1 | `, aligned; a service of one instance goes by its own name. */
function labelsOf(instances: readonly string[]): Map<string, string> {
  const siblings = Map.groupBy(instances, serviceOf);
  const names = instances.map((instance) => displayName(siblings.get(serviceOf(instance))?.length === 1 ? serviceOf(instance) : instance));
  const width = Math.max(...names.map(({ length }) => length));
  return new Map(instances.map((instance, at) => [instance, `${names[at]?.padEnd(width)} | `]));
}

/** What is missing, as a line for standard error. */
export function gapText({ instance, stream, bytes, reason }: LogGap): string {
  const what = bytes > 0 ? `${bytes} bytes missing` : "some output is missing";
  return `-- ${displayName(instance)} ${stream}: ${what}: ${reasons[reason]} --\n`;
}

const reasons = {
  rotated_away: "rotated away before it was read",
  dropped: "disk full",
  truncated: "the file was cut or replaced",
  pump_killed: "the log pump was killed",
  damaged: "the compressed file is damaged",
} satisfies Record<GapReason, string>;
