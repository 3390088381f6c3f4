import { execFileSync } from "node:child_process";
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

export const canMount = process.getuid?.() === 0;

/** A disk of 1 MiB over a directory: `using disk = mountSmallDisk(path)`. */
export function mountSmallDisk(path: string) {
  const ballast = join(path, "ballast");
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m,mode=700", "none", path]);
  return {
    fill(): void {
      const fd = openSync(ballast, "w");
      try {
        while (writeSync(fd, Buffer.alloc(4096)) > 0);
      } catch {
        // That is what it is for.
      }
      closeSync(fd);
    },
    /** Makes it large. */
    grow: () => void execFileSync("mount", ["-o", "remount,size=64m", path]),
    setReadOnly: () => void execFileSync("mount", ["-o", "remount,ro", path]),
    setWritable: () => void execFileSync("mount", ["-o", "remount,rw", path]),
    empty: () => rmSync(ballast),
    [Symbol.dispose]: () => void execFileSync("umount", ["-l", path]),
  };
}
