import { createHash } from "node:crypto";
import { readFileSync, realpathSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";

/** Held as long as this process lives: the kernel lets go of it, however the process ends. */
export interface Lock {
  release(): void;
}

/**
 * Only one pmd may use a directory. The lock is a name in the kernel's abstract socket namespace, made of the directory's real path; nobody
 * answers there. A file beside it only says who holds it, for the message.
 */
export async function lockDirectory(directory: string, holder: { socket: string }): Promise<Lock> {
  const server = createServer((socket) => socket.destroy());
  const note = join(directory, "pmd.lock");
  try {
    await listenOn(server, `\0pmd-${directoryId(directory)}`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    throw new Error(`${directory} is in use by another pmd${readNote(note)}`);
  }
  server.unref();
  writeFileSync(note, JSON.stringify({ pid: process.pid, socket: holder.socket }));
  return { release: () => server.close() };
}

/** The same for every path that leads to the directory, and different for other users, who could not share it. */
export function directoryId(directory: string): string {
  return createHash("sha256")
    .update(`${process.getuid?.()}:${realpathSync(directory)}`)
    .digest("hex")
    .slice(0, 16);
}

function listenOn(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
}

function readNote(path: string): string {
  try {
    const { pid, socket } = JSON.parse(readFileSync(path, "utf8"));
    return ` (pid ${pid}), which serves on ${socket}`;
  } catch {
    return ""; // only a help
  }
}
