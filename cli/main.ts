import { exitCodes } from "./exit-codes.ts";
import { openTerminal, processScreen } from "./process-screen.ts";
import { type GlobalOptions, runProgram } from "./program.ts";
import type { Session } from "./session.ts";
import { findSocket, processSurroundings } from "./socket-path.ts";
import { createSocketTransport } from "./transport.ts";

const defaultAnswerMs = 30_000;

/** The process: signals in, exit code out. Nothing below ends it by itself. */
async function main(): Promise<void> {
  const argv = process.argv.slice(2);
  const stop = new AbortController();
  let isRead = true;
  // `pmctl logs | head`: once nobody reads, there is nothing left to do, and that is no failure.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    isRead = false;
    stop.abort();
  });
  process.once("SIGINT", () => stop.abort());
  process.once("SIGTERM", () => stop.abort());

  const withColor = !process.env.NO_COLOR && !argv.slice(0, argv.indexOf("--") >>> 0).includes("--no-color");
  const out = processScreen(process.stdout, withColor);
  const err = processScreen(process.stderr, withColor);
  const openSession = ({ socket, connectTimeout }: GlobalOptions): Session => {
    const socketPath = findSocket(socket, processSurroundings());
    return {
      transport: createSocketTransport(socketPath),
      socketPath,
      out,
      err,
      signal: stop.signal,
      answerMs: connectTimeout ?? defaultAnswerMs,
      cwd: process.cwd(),
      env: process.env,
      now: Date.now,
      pause: (ms, signal = stop.signal) => pause(ms, signal),
      ...openTerminal(),
    };
  };
  const exitCode = await runProgram(argv, { out, err, openSession });
  process.exitCode = isRead ? exitCode : exitCodes.ok;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted) end();
  });
}

main().catch((error: unknown) => {
  process.stderr.write(`pmctl: internal error: ${error instanceof Error ? error.stack : error}\n`);
  process.exitCode = exitCodes.failed;
});
