import { once } from "node:events";
import { readdirSync, readlinkSync } from "node:fs";
import { createServer } from "node:net";
import { readKernelFile } from "../kernel-file.ts";
import { listPids, readProgramName } from "./process-table.ts";

/** Which run has which port, from before its start until nothing of it is left. */
export class Ports {
  readonly #taken = new Map<number, string>();

  /** The first of them that can really be bound, for all addresses. Throws who has the last one when there is none. */
  async take(runId: string, candidates: readonly number[]): Promise<number> {
    for (const port of candidates) {
      if (this.#taken.has(port)) continue;
      // Nobody else is given it while it is tried.
      this.#taken.set(port, runId);
      if (await canBind(port)) return port;
      this.#taken.delete(port);
    }
    const [first = 0] = candidates;
    const last = candidates.at(-1) ?? first;
    if (first === last) throw new Error(`port ${first} is ${holderOf(first)}: end that, or give it another port`);
    throw new Error(`none of the ports ${first}-${last} is free; ${first} is ${holderOf(first)}`);
  }

  keep(runId: string, port: number): void {
    if (port > 0) this.#taken.set(port, runId);
  }

  release(runId: string): void {
    for (const [port, owner] of this.#taken) if (owner === runId) this.#taken.delete(port);
  }
}

/** Of both kinds of addresses, because a program that binds the one may not notice that another has the other. */
async function canBind(port: number): Promise<boolean> {
  return (await canListen({ host: "0.0.0.0", port })) && (await canListen({ host: "::", port, ipv6Only: true }));
}

async function canListen(where: { host: string; port: number; ipv6Only?: boolean }): Promise<boolean> {
  const server = createServer();
  try {
    server.listen({ ...where, exclusive: true });
    await once(server, "listening");
    server.close();
    await once(server, "close");
    return true;
  } catch (error) {
    // A host without IPv6 has nobody who listens there.
    return ["EAFNOSUPPORT", "EADDRNOTAVAIL"].includes((error as NodeJS.ErrnoException).code ?? "");
  }
}

/** As in "port 80 is …". */
function holderOf(port: number): string {
  const sockets = ["tcp", "tcp6"].flatMap((table) => listenersOn(port, table));
  const pid = sockets.length > 0 ? listPids().find((pid) => holdsSocket(pid, sockets)) : undefined;
  if (pid !== undefined) return `in use by ${readProgramName(pid)} (pid ${pid})`;
  if (sockets.length > 0) return "in use by a process that cannot be seen from here";
  return port < 1024 && process.getuid?.() !== 0 ? "only for root" : "in use, though nobody listens on it";
}

/** The sockets, as descriptors name them. */
function listenersOn(port: number, table: string): string[] {
  let lines: string[];
  try {
    lines = readKernelFile(`/proc/net/${table}`).split("\n").slice(1);
  } catch {
    return []; // a kernel without IPv6
  }
  const end = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return lines
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local = "", , state]) => local.endsWith(end) && state === "0A")
    .map((fields) => `socket:[${fields[9]}]`);
}

function holdsSocket(pid: number, sockets: readonly string[]): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((descriptor) => {
      try {
        return sockets.includes(readlinkSync(`/proc/${pid}/fd/${descriptor}`));
      } catch {
        return false; // closed meanwhile
      }
    });
  } catch {
    return false; // gone, or somebody else's
  }
}
