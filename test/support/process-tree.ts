import { spawn } from "node:child_process";
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
  readonly #closed: Promise<unknown>;

  private constructor(made: { pid: number; firstLine: string; mark: string; closed: Promise<unknown> }) {
    this.pid = made.pid;
    this.firstLine = made.firstLine;
    this.#mark = made.mark;
    this.#closed = made.closed;
  }

  static async start(script: string, env: Record<string, string> = {}): Promise<ProcessTree> {
    const mark = `TEST_TREE=${randomUUID()}`;
    const child = spawn("/bin/sh", ["-c", script], {
      detached: true,
      env: { PATH: process.env.PATH, NODE: process.execPath, ...env, TEST_TREE: mark.split("=")[1] },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const closed = once(child, "close");
    const lines = createInterface(child.stdout);
    const [firstLine] = (await once(lines, "line")) as [string];
    return new ProcessTree({ pid: child.pid ?? 0, firstLine, mark, closed });
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
    return pids.length;
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
