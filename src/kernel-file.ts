import { closeSync, openSync, readSync } from "node:fs";

const buffer = Buffer.allocUnsafeSlow(64 * 1024);

/**
 * A file of /proc or of a cgroup. Their size is given as 0, and so Node makes a new buffer of 64 KiB for each of them: with some hundred looks a
 * second that is most of what a pmd does that has nothing to do.
 */
export function readKernelFile(path: string): string {
  const descriptor = openSync(path, "r");
  try {
    let text = "";
    for (;;) {
      const count = readSync(descriptor, buffer, 0, buffer.length, null);
      if (count === 0) return text;
      text += buffer.toString("latin1", 0, count);
    }
  } finally {
    closeSync(descriptor);
  }
}
