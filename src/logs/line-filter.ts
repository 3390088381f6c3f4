import { RegexWorker } from "./regex-worker.ts";

export interface WantedLines {
  /** Ids; of all when undefined. */
  readonly runs?: ReadonlySet<string> | undefined;
  /** With these bytes in them. */
  readonly grep?: string | undefined;
  /** That match this expression. */
  readonly regex?: string | undefined;
  /** Letters are alike, large or small, for both. */
  readonly ignoreCase?: boolean;
}

export interface Line {
  readonly bytes: Buffer;
  readonly runId: string;
}

/** Which lines of a log are wanted. A line longer than the limit is looked at piece by piece. Whoever makes one closes it. */
export class LineFilter {
  /** Nothing is asked of a line. */
  readonly isOpen: boolean;
  readonly #runs: ReadonlySet<string> | undefined;
  readonly #includes: ((bytes: Buffer) => boolean) | undefined;
  readonly #regex: RegexWorker | undefined;

  constructor({ runs, grep = "", regex = "", ignoreCase = false }: WantedLines = {}) {
    this.isOpen = !runs && grep === "" && regex === "";
    this.#runs = runs;
    this.#includes = grep === "" ? undefined : includes(grep, ignoreCase);
    this.#regex = regex === "" ? undefined : new RegexWorker(regex, { ignoreCase });
  }

  /** Of each line whether it is wanted. */
  async select(lines: readonly Line[]): Promise<readonly boolean[]> {
    const selected = lines.map((line) => (!this.#runs || this.#runs.has(line.runId)) && (!this.#includes || this.#includes(line.bytes)));
    if (!this.#regex) return selected;
    const left = lines.filter((_, i) => selected[i]);
    if (left.length === 0) return selected;
    const matching = await this.#regex.test(left.map(({ bytes }) => bytes.toString()));
    let next = 0;
    return selected.map((is) => is && matching[next++] === true);
  }

  close(): void {
    this.#regex?.close();
  }
}

function includes(text: string, ignoreCase: boolean): (bytes: Buffer) => boolean {
  if (!ignoreCase) {
    const wanted = Buffer.from(text);
    return (bytes) => bytes.includes(wanted);
  }
  const wanted = text.toLowerCase();
  return (bytes) => bytes.toString().toLowerCase().includes(wanted);
}
