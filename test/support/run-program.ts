import { spawn } from "node:child_process";

export interface Outcome {
  /** The exit code, or the name of the signal that ended it. */
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProgramOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** What it reads from stdin; nothing otherwise. */
  readonly input?: string;
  readonly timeoutMs?: number;
}

/** Runs a program to its end. How it ended is for the test to judge; only a program that cannot be started or does not end is an error. */
export async function runProgram(command: readonly [string, ...string[]], options: ProgramOptions = {}): Promise<Outcome> {
  const { env = process.env, cwd, input = "", timeoutMs = 30_000 } = options;
  const [program, ...args] = command;
  const child = spawn(program, args, { env, cwd, stdio: "pipe" });
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text) => {
    output.stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text) => {
    output.stderr += text;
  });
  child.stdin.on("error", () => undefined); // it ended without reading everything, as it may
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`${command.join(" ")} has not ended after ${timeoutMs / 1000} s\n${output.stdout}${output.stderr}`));
    }, timeoutMs);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve({ code: code ?? signal ?? "lost", ...output });
    });
  });
}
