import { closeSync, fstatSync, readdirSync, readFileSync } from "node:fs";

const closeOnExec = 0o2000000;

/**
 * Closes what pmd was started with beside stdin, stdout and stderr: a lock or a pipe of the starter would be held from then on, by pmd and by every
 * service. Node marks all of its own descriptors to be closed on exec, and the first sixteen of anybody's, so one without the mark is foreign;
 * of those with it a file is, for Node has none open yet. The launcher has closed those that have one digit.
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
    const marked = flags === undefined || (Number.parseInt(flags, 8) & closeOnExec) !== 0;
    return !marked || fstatSync(descriptor).isFile();
  } catch {
    return false; // the listing's own, closed by now
  }
}
