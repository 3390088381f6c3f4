import { spawnSync } from "node:child_process";
import { type BenchDaemon, now } from "./bench-daemon.ts";
import type { Report } from "./report.ts";
import type { Scale } from "./scale.ts";

const bare = "node -e 0";

/** Whole processes, from their start to their end. */
export function measurePmctl(daemon: BenchDaemon, report: Report, { rounds }: Scale): void {
  const time = (...args: string[]) =>
    Array.from({ length: rounds }, () => {
      const begun = now();
      const { status } = spawnSync(process.execPath, args, { stdio: "ignore" });
      if (status !== 0) throw new Error(`node ${args.join(" ")} ended with ${status}`);
      return now() - begun;
    });
  report.add(bare, "ms", time("-e", "0"));
  report.add("pmctl --version", "ms", time("dist/pmctl.js", "--version"), { floor: bare });
  report.add("pmctl ps, 100 services", "ms", time("dist/pmctl.js", "ps", "--socket", daemon.socket), { floor: bare });
}
