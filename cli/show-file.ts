import fs from "node:fs";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { Failure } from "./failure.ts";
import { FileTail } from "./file-tail.ts";
import { safeLine } from "./safe-text.ts";
import type { Session } from "./session.ts";

const pollMs = 250;

export interface FileView {
  readonly follow: boolean;
  /** How many of the last lines; -1 is all. */
  readonly lines: number;
  /** Also on a terminal the bytes as they are. */
  readonly raw?: boolean;
}

/** The end of a file on this host, read with the rights of whoever has typed the command. */
export async function showFile(session: Session, file: string, { follow, lines, raw = false }: FileView): Promise<ExitCode> {
  using tail = openTail(file);
  const decoder = new TextDecoder();
  const print = (bytes: Buffer) => {
    const { out } = session;
    if (bytes.length > 0) out.write(out.isTerminal && !raw ? safeLines(decoder.decode(bytes, { stream: true })) : bytes);
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
    if (fs.statSync(file).isFile()) return new FileTail(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EACCES") throw new Failure(`cannot read ${file}: permission denied`, exitCodes.notPermitted);
    throw new Failure(`cannot read ${file}: ${code === "ENOENT" ? "no such file" : code}`);
  }
  // To open a FIFO would be to wait for its writer.
  throw new Failure(`cannot read ${file}: it is no plain file`);
}

function safeLines(text: string): string {
  return text.split("\n").map(safeLine).join("\n");
}
