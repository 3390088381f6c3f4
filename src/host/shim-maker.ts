import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";

/** Longer than the busiest machine takes for a batch. Where there is no word for so long, somebody has stopped or killed one of them. */
const answerMs = 30_000;

/**
 * Has shims made by a shell that is kept for it: Node forks slowly, and the more slowly the larger it is. The shell ends when this process does; what it
 * has made does not.
 */
export class ShimMaker {
  readonly #argv: readonly string[];
  #shell: ChildProcessByStdio<Writable, Readable, Readable> | undefined;
  #batch: Batch | undefined;

  /** `folder` has a directory for each name that will be asked for; `cgroupRoot` a cgroup, where it is not empty. */
  constructor(scriptPath: string, folder: string, cgroupRoot: string) {
    this.#argv = [scriptPath, folder, cgroupRoot];
  }

  /** Resolves when all shims stand in their directories. Not twice at a time. */
  async make(names: readonly string[]): Promise<void> {
    this.#shell ??= this.#start();
    const shell = this.#shell;
    this.#batch = new Batch(names);
    const silent = setTimeout(() => shell.kill("SIGKILL"), answerMs);
    shell.stdin.write(`${names.join(" ")}\n`);
    await this.#batch.made.finally(() => clearTimeout(silent));
  }

  close(): void {
    this.#shell?.stdin.end();
    this.#shell = undefined;
  }

  #start(): ChildProcessByStdio<Writable, Readable, Readable> {
    const shell = spawn("/bin/sh", this.#argv, { cwd: "/", env: {}, detached: true, stdio: ["pipe", "pipe", "pipe"] });
    const lost = (error: Error) => {
      if (this.#shell !== shell) return;
      // The next one is made when it is needed.
      this.#shell = undefined;
      this.#batch?.fail(error);
    };
    shell.once("error", lost).once("exit", () => lost(new Error("the shell that makes shims has ended")));
    shell.stdin.on("error", () => undefined); // it has ended, and "exit" says so
    shell.stdout.setEncoding("latin1").on("data", (text: string) => this.#batch?.hear(text));
    shell.stderr.setEncoding("utf8").on("data", (text: string) => this.#batch?.note(text));
    return shell;
  }
}

/** What was asked for, and what came of it. */
class Batch {
  readonly #names: readonly string[];
  readonly #missing: Set<string>;
  readonly #made = Promise.withResolvers<void>();
  #heard = "";
  #complaints = "";

  constructor(names: readonly string[]) {
    this.#names = names;
    this.#missing = new Set(names);
  }

  get made(): Promise<void> {
    return this.#made.promise;
  }

  /** There may be words of an earlier batch among it, of which one has failed. */
  hear(text: string): void {
    const lines = (this.#heard + text).split("\n");
    this.#heard = lines.pop() ?? "";
    for (const line of lines) {
      const [word, name = ""] = line.split(" ");
      if (word === "made") this.#missing.delete(name);
      else if (this.#names.includes(name)) this.fail(new Error(this.#complaints.trim() || "it does not say why"));
    }
    if (this.#missing.size === 0) this.#made.resolve();
  }

  note(text: string): void {
    this.#complaints += text;
  }

  fail(error: Error): void {
    this.#made.reject(new Error(`cannot make shims: ${error.message}`));
  }
}
