// Loaded into a program beside its own code: on SIGUSR2 it writes down how late the event loop was since the last time, in milliseconds. It is no
// TypeScript, because pmd runs without the WebAssembly that Node strips types with.
import { renameSync, writeFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";

const resolution = 5;
const delay = monitorEventLoopDelay({ resolution });
delay.enable();

process.on("SIGUSR2", () => {
  const file = process.env.LOOP_PROBE_FILE ?? "";
  // What it measures is the distance of two ticks.
  const late = (percentile) => Math.max(0, delay.percentile(percentile) / 1e6 - resolution);
  writeFileSync(`${file}.new`, JSON.stringify({ p50: late(50), p99: late(99), max: late(100) }));
  renameSync(`${file}.new`, file);
  delay.reset();
});
