import type { Transport } from "@connectrpc/connect";
import { runProgram } from "../../../cli/program.ts";
import type { Screen } from "../../../cli/screen.ts";
import type { Session } from "../../../cli/session.ts";

/** The clock of the tests stands at 2026-11-21T10:00:00Z. */
export const now = Date.UTC(2026, 10, 21, 10);

export class StringScreen implements Screen {
  readonly isTerminal: boolean;
  readonly columns: number;
  readonly rows = 40;
  readonly colors = false;
  readonly chunks: Uint8Array[] = [];
  onWrite: (() => void) | undefined;

  constructor(kind: "file" | "terminal", columns = 100) {
    this.isTerminal = kind === "terminal";
    this.columns = kind === "terminal" ? columns : Number.POSITIVE_INFINITY;
  }

  write(text: string | Uint8Array): void {
    this.chunks.push(typeof text === "string" ? Buffer.from(text) : text);
    this.onWrite?.();
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get text(): string {
    return this.bytes.toString();
  }
}

export interface RunOptions {
  readonly transport: Transport;
  readonly screen?: "file" | "terminal";
  readonly columns?: number;
  readonly session?: Partial<Session>;
}

export interface Ended {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
  readonly bytes: Buffer;
}

/** pmctl, from its words to its exit code, with strings for screens and a stand-in for pmd. */
export async function runPmctl(argv: readonly string[], options: RunOptions): Promise<Ended> {
  const { session, screens } = fakeSession(options);
  const exitCode = await runProgram(argv, {
    ...screens,
    openSession: ({ connectTimeout }) => ({ ...session, answerMs: connectTimeout ?? session.answerMs }),
  });
  return { exitCode, out: screens.out.text, err: screens.err.text, bytes: screens.out.bytes };
}

export function fakeSession({ transport, screen = "file", columns, session }: RunOptions) {
  const screens = { out: new StringScreen(screen, columns), err: new StringScreen(screen, columns) };
  const whole: Session = {
    transport,
    socketPath: "/run/pmd/pmd.sock",
    ...screens,
    signal: new AbortController().signal,
    answerMs: 30_000,
    cwd: "/srv",
    env: { PATH: "/usr/bin" },
    now: () => now,
    // Nothing here waits: what comes after a pause comes at once.
    pause: async () => {},
    ...session,
  };
  return { session: whole, screens };
}
