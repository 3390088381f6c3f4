import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { listPids } from "./process-table.ts";
import { isAbsence, tryToSee } from "./shortage.ts";

/**
 * Signals whoever listens on this abstract socket, and so holds the lock of the pump. What a pump says of its pid is no proof: it is looked up which
 * process holds the kernel's very socket, and it must be one of our own user. Where nobody does, nothing is signalled.
 */
export function signalPump(socketPath: string, signal: "SIGCONT" | "SIGTERM" | "SIGKILL"): void {
  tryToSee(() => {
    const inode = listeningInode(socketPath);
    if (inode === undefined) return;
    for (const pid of listPids().filter((pid) => pid !== process.pid && holdsSocket(pid, inode))) process.kill(pid, signal);
  });
}

/** Num RefCount Protocol Flags Type St Inode Path: of a socket that listens, the flags say so, and '@' stands for the NUL of the abstract namespace. */
function listeningInode(socketPath: string): string | undefined {
  const path = socketPath.replace("\0", "@");
  const fields = readFileSync("/proc/net/unix", "latin1")
    .split("\n")
    .map((line) => line.trim().split(/\s+/));
  return fields.find(([, , , flags, , , , name]) => flags === "00010000" && name === path)?.[6];
}

function holdsSocket(pid: number, inode: string): boolean {
  try {
    const uid = /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
    if (Number(uid) !== process.getuid?.()) return false;
    return readdirSync(`/proc/${pid}/fd`).some((descriptor) => readlinkSync(`/proc/${pid}/fd/${descriptor}`) === `socket:[${inode}]`);
  } catch (error) {
    if (!isAbsence(error)) throw error;
    return false;
  }
}
