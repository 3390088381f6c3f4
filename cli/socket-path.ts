import fs from "node:fs";
import path from "node:path";
import { usageError } from "./failure.ts";

interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly isRoot: boolean;
  exists(path: string): boolean;
}

/** Where pmd listens: what the user said, else the first of the usual places where there is a socket, else the first of them. */
export function findSocket(said: string | undefined, surroundings: Surroundings): string {
  const explicit = said || surroundings.env.PMCTL_SOCK;
  if (explicit) return checkLength(path.resolve(explicit));
  const places = socketPlaces(surroundings);
  return places.find((place) => surroundings.exists(place)) ?? (places[0] as string);
}

/** The kernel takes no more, and Node would cut the path without a word and look for another socket. */
function checkLength(socket: string): string {
  if (Buffer.byteLength(socket) > 107) throw usageError(`the socket path ${socket} is longer than 107 bytes`);
  return socket;
}

function socketPlaces({ env, home, isRoot }: Surroundings): string[] {
  const system = "/run/pmd/pmd.sock";
  const own = [...(env.XDG_RUNTIME_DIR ? [path.join(env.XDG_RUNTIME_DIR, "pmd/pmd.sock")] : []), path.join(home, ".local/state/pmd/run/pmd.sock")];
  return isRoot ? [system, ...own] : [...own, system];
}

export function processSurroundings(): Surroundings {
  const { env } = process;
  return { env, home: env.HOME ?? "/", isRoot: process.getuid?.() === 0, exists: fs.existsSync };
}
