import { execFileSync, spawn } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { eventually } from "./eventually.ts";

/** A place where pids are counted anew, and where the next one can be chosen. Whatever runs in it goes with it. */
export class PidNamespace implements AsyncDisposable {
  /** Its first process, as it is called outside. */
  readonly #first: number;

  static async open(): Promise<PidNamespace> {
    // A shell that waits takes leave of every child, and so frees their pids; it makes no processes of its own meanwhile.
    const first = ["sh", "-c", "sleep 1000 & wait"];
    const outside = spawn("unshare", ["--pid", "--fork", "--mount-proc", "--kill-child", ...first], { stdio: "ignore" });
    return eventually(() => {
      const children = readFileSync(`/proc/${outside.pid}/task/${outside.pid}/children`, "latin1").trim();
      const pid = Number(children);
      return (
        pid > 0 && readlinkSync(`/proc/${pid}/ns/pid`) !== readlinkSync("/proc/self/ns/pid") && numbersOf(pid).length > 1 && new PidNamespace(pid)
      );
    });
  }

  private constructor(first: number) {
    this.#first = first;
  }

  /** A command that runs its arguments here. */
  get within(): readonly [string, ...string[]] {
    return ["nsenter", "--target", String(this.#first), "--pid", "--mount", "--"];
  }

  /** What the process of this number is called outside; undefined when there is none. */
  findOutside(pid: number): number | undefined {
    const here = readlinkSync(`/proc/${this.#first}/ns/pid`);
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .find((outside) => numbersOf(outside).at(-1) === pid && linkOf(`/proc/${outside}/ns/pid`) === here);
  }

  /** Gives the number to a process that belongs to nobody here, has a session of its own, and sleeps. Returns what it is called outside. */
  startStranger(pid: number): number {
    const script = `
      for try in 1 2 3 4 5 6 7 8 9 10; do
        echo $(($1 - 1)) >/proc/sys/kernel/ns_last_pid
        setsid sleep 1000 &
        [ $! = $1 ] && exit 0
        kill -9 $!
      done
      exit 1`;
    const [command, ...args] = this.within;
    execFileSync(command, [...args, "sh", "-c", script, "sh", String(pid)], { stdio: "ignore", env: { PATH: process.env.PATH }, timeout: 20_000 });
    const outside = this.findOutside(pid);
    if (outside === undefined) throw new Error(`the pid ${pid} could not be given to anybody`);
    return outside;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.kill(this.#first, "SIGKILL");
    await eventually(() => numbersOf(this.#first).length === 0);
  }
}

/** What it is called in each of its namespaces, from here inwards; nothing for one that is gone or a zombie. */
export function numbersOf(pid: number): number[] {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    if (/^State:\s+[ZX]/m.test(status)) return [];
    return /^NSpid:\s+(.*)$/m.exec(status)?.[1]?.split("\t").map(Number) ?? [];
  } catch {
    return [];
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
