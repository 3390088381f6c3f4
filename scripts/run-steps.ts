import { spawn } from "node:child_process";
import { delimiter, resolve } from "node:path";

export interface Step {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
}

/** Runs the steps, two at a time, and says how each went. Resolves with the number of those that failed. */
export async function runSteps(steps: readonly Step[]): Promise<number> {
  const waiting = [...steps];
  let failed = 0;
  const work = async () => {
    for (let step = waiting.shift(); step; step = waiting.shift()) {
      if (!(await runStep(step))) failed += 1;
    }
  };
  await Promise.all([work(), work()]);
  return failed;
}

/** Of a step that succeeded only warnings are shown, of one that failed everything. */
async function runStep({ name, command: [program, ...args] }: Step): Promise<boolean> {
  const startedAt = performance.now();
  const child = spawn(program, args, { env: environment(), stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let warnings = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  child.stderr.on("data", (chunk) => {
    output += chunk;
    warnings += chunk;
  });
  const status = await new Promise<number | string>((done) => {
    child.on("error", (error) => done(error.message));
    child.on("close", (code, signal) => done(code ?? signal ?? "lost"));
  });
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(status === 0 ? `ok      ${name} (${seconds} s)` : `FAILED  ${name}: ${program} ${args.join(" ")} ended with ${status}`);
  const shown = (status === 0 ? warnings : output).trimEnd();
  if (shown !== "") console.log(shown.replace(/^/gm, "        "));
  return status === 0;
}

/** The programs of node_modules come first, so that a script also works when it was not npm that started it. */
export function environment(): NodeJS.ProcessEnv {
  const colours = process.stdout.isTTY ? {} : { NO_COLOR: "1" };
  return { ...process.env, ...colours, PATH: resolve("node_modules/.bin") + delimiter + process.env.PATH };
}
