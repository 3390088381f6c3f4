// Loaded into pmd beside its own code: on SIGUSR2 it writes down how late the event loop was since the last time, in milliseconds.
import { writeFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";

const resolution = 5;
const delay = monitorEventLoopDelay({ resolution });
delay.enable();

process.on("SIGUSR2", () => {
  // What it measures is the distance of two ticks.
  const late = (percentile: number) => Math.max(0, delay.percentile(percentile) / 1e6 - resolution);
  writeFileSync(process.env.LOOP_PROBE_FILE ?? "", JSON.stringify({ p50: late(50), p99: late(99), max: late(100) }));
  delay.reset();
});
