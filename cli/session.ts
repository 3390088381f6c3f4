import type { DescService } from "@bufbuild/protobuf";
import { type CallOptions, type Client, createClient, type Transport } from "@connectrpc/connect";
import type { Screen } from "./screen.ts";

/** What a verb works with: the way to pmd, where to write, and when to stop. */
export interface Session {
  readonly transport: Transport;
  readonly socketPath: string;
  readonly out: Screen;
  readonly err: Screen;
  /** Ctrl-C, or nobody reads the output any more. */
  readonly signal: AbortSignal;
  /** How long pmd may take to answer a question. */
  readonly answerMs: number;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Wall clock. */
  now(): number;
  /** Waits; ends early, without an error, when the signal comes: the session's own if no other is given. */
  pause(ms: number, signal?: AbortSignal): Promise<void>;
  /** Asks a person, and is undefined where there is none. */
  confirm?(question: string): Promise<boolean>;
  /** Calls for every key that is pressed until what it returns is called; undefined where there is no keyboard. */
  onKey?(call: (key: string) => void): () => void;
}

/** What was said on the command line. */
export interface Call<Options> {
  readonly operands: readonly string[];
  /** What stood behind `--`; undefined when there was none. */
  readonly rest: readonly string[] | undefined;
  readonly options: Options;
}

export function clientOf<Service extends DescService>(session: Session, service: Service): Client<Service> {
  return createClient(service, session.transport);
}

/** For calls that pmd answers at once. */
export function promptly(session: Session): CallOptions {
  return { signal: session.signal, timeoutMs: session.answerMs };
}
