import { DaemonService } from "../../gen/pm/v1/daemon_service_pb.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { Failure } from "../failure.ts";
import { FileTail } from "../file-tail.ts";
import { named } from "../options.ts";
import { safeLine } from "../safe-text.ts";
import { clientOf, promptly, type Session } from "../session.ts";
import type { Verb } from "../verb.ts";
import { parseLines } from "./logs.ts";

type DaemonLogsOptions = { readonly follow?: boolean; readonly lines?: number };

const pollMs = 250;

export const verb: Verb<DaemonLogsOptions> = {
  description: "Shows pmd's own log, if it writes one to a file (pmd --log-file).",
  examples: ["pmctl daemon logs -n 100", "pmctl daemon logs -f   # go on as it is written"],
  addOptions(command) {
    command
      .option("-f, --follow", "go on as lines are written")
      .option("-n, --lines <count>", "how many of the last lines, or all (50)", named("--lines", parseLines));
  },
  async run(session, { options: { follow = false, lines = 50 } }) {
    const { logFile } = await clientOf(session, DaemonService).getInfo({}, promptly(session));
    if (logFile === "") {
      session.err.write("pmd writes its log to its standard error: look where it was started, or with journalctl -u pmd\n");
      return exitCodes.ok;
    }
    return await showFile(session, logFile, { follow, lines });
  },
};

async function showFile(session: Session, file: string, { follow, lines }: Required<DaemonLogsOptions>): Promise<ExitCode> {
  using tail = openTail(file);
  const decoder = new TextDecoder();
  const print = (bytes: Buffer) => {
    const { out } = session;
    if (bytes.length > 0) out.write(out.isTerminal ? safeLines(decoder.decode(bytes, { stream: true })) : bytes);
  };
  print(tail.lastLines(lines));
  while (follow && !session.signal.aborted) {
    print(tail.read());
    await session.pause(pollMs);
  }
  return session.signal.aborted ? exitCodes.interrupted : exitCodes.ok;
}

function openTail(file: string): FileTail {
  try {
    return new FileTail(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EACCES") throw new Failure(`cannot read ${file}: permission denied`, exitCodes.notPermitted);
    throw new Failure(`cannot read ${file}: ${code === "ENOENT" ? "no such file" : code}`);
  }
}

function safeLines(text: string): string {
  return text.split("\n").map(safeLine).join("\n");
}
