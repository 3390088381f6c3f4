import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { eventually } from "./eventually.ts";

/** A shell in a session of its own, and all that comes of it, wherever it goes. */
export class ProcessTree implements AsyncDisposable {
  readonly pid: number;
  /** What it said first: it is ready then. */
  readonly firstLine: string;
  readonly #mark: string;
  readonly #shell: ChildProcess;
  readonly #closed: Promise<unknown>;

  private constructor(made: { shell: ChildProcess; firstLine: string; mark: string; closed: Promise<unknown> }) {
    this.pid = made.shell.pid ?? 0;
    this.firstLine = made.firstLine;
    this.#mark = made.mark;
    this.#shell = made.shell;
    this.#closed = made.closed;
  }

  static async start(script: string, env: Record<string, string> = {}): Promise<ProcessTree> {
    const mark = `TEST_TREE=${randomUUID()}`;
    const shell = spawn("/bin/sh", ["-c", script], {
      detached: true,
      env: { PATH: process.env.PATH, NODE: process.execPath, ...env, TEST_TREE: mark.split("=")[1] },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const closed = once(shell, "close");
    const lines = createInterface(shell.stdout);
    const [firstLine] = (await once(lines, "line")) as [string];
    return new ProcessTree({ shell, firstLine, mark, closed });
  }

  /** Without zombies: they have no environment. */
  pids(): number[] {
    const numbers = readdirSync("/proc").map(Number).filter(Number.isInteger);
    return numbers.filter((pid) => readProc(pid, "environ").split("\0").includes(this.#mark));
  }

  async end(): Promise<void> {
    await eventually(() => this.#kill() === 0);
    await this.#closed;
  }

  /** Returns how many it found. */
  #kill(): number {
    const pids = this.pids();
    for (const pid of pids) process.kill(pid, "SIGKILL");
    // While it executes another program it has no environment for a moment.
    return this.#shell.kill("SIGKILL") ? pids.length + 1 : pids.length;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end();
  }
}

function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch {
    return ""; // it has ended
  }
}
