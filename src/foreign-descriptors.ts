import { closeSync, readdirSync, readFileSync } from "node:fs";

const closeOnExec = 0o2000000;

/**
 * Closes what pmd was started with beside stdin, stdout and stderr: a lock or a pipe of the starter would be held by every service from then
 * on. All of Node's own descriptors are closed on exec, so whatever is not is somebody else's.
 */
export function closeForeignDescriptors(): void {
  for (const name of readdirSync("/proc/self/fd")) {
    const descriptor = Number(name);
    if (descriptor > 2 && isForeign(descriptor)) closeSync(descriptor);
  }
}

function isForeign(descriptor: number): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, "latin1"))?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & closeOnExec) === 0;
  } catch {
    return false; // the listing's own, closed by now
  }
}
