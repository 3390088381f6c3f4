import { readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const libraries = "/usr/lib";

/**
 * A wall clock that is set by the test, for programs that are started with `env`: libfaketime answers in the kernel's place whoever asks what time
 * it is. The monotonic clock, timers, and the times of files stay the kernel's.
 */
export class FakeClock {
  readonly env: Record<string, string>;
  readonly #file: string;

  constructor(directory: string) {
    this.#file = join(directory, "clock");
    this.set("+0");
    this.env = {
      LD_PRELOAD: findLibrary(),
      FAKETIME_TIMESTAMP_FILE: this.#file,
      // Read at each question.
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
  }

  /** So far from the true time from now on: `+5h`, `-2d`. */
  set(offset: string): void {
    writeFileSync(`${this.#file}.new`, `${offset}\n`);
    renameSync(`${this.#file}.new`, this.#file);
  }
}

/** Below the directory of the machine's architecture. */
function findLibrary(): string {
  for (const folder of readdirSync(libraries)) {
    if (!/-linux-gnu/.test(folder)) continue;
    const place = join(libraries, folder, "faketime");
    if (readdirSync(join(libraries, folder)).includes("faketime")) return join(place, "libfaketimeMT.so.1");
  }
  throw new Error("there is no libfaketime: scripts/install-debian-packages.sh installs it");
}
