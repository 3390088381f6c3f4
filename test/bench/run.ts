// npm run bench: what pmd costs, beside what the bare system costs in the same run.
//   --json FILE   all figures, for programs
//   --quick       less of everything: a minute
import { join } from "node:path";
import { parseArgs } from "node:util";
import { loopProbe } from "../support/loop-delay.ts";
import { BenchDaemon, labelled } from "./bench-daemon.ts";
import { measureCalls, measureLoad, measureStream } from "./calls.ts";
import { measureFollow, measurePump } from "./output.ts";
import { measurePmctl } from "./programs.ts";
import { Report } from "./report.ts";
import { full, quick } from "./scale.ts";
import { measureFloor, measureIdle, measureMass, measureOne } from "./starts.ts";

const { values } = parseArgs({ options: { json: { type: "string" }, quick: { type: "boolean", default: false } } });
const scale = values.quick ? quick : full;
const report = new Report();

await measureServices();
await measureOutput();
await measureApi();
if (values.json) report.write(values.json);
process.exit(0); // HTTP keeps connections for a while

async function measureServices(): Promise<void> {
  await using daemon = new BenchDaemon();
  await measureFloor(daemon, report, scale);
  await daemon.start();
  report.add("pmd start → first answer", "ms", [daemon.startMs]);
  await measureIdle(daemon, report, 0, scale);
  await measureOne(daemon, report, scale);
  for (const size of [...new Set([...scale.sizes, ...scale.idleSizes])].sort((a, b) => a - b)) {
    await measureMass(daemon, report, size);
    if (size === 100) measurePmctl(daemon, report, scale);
    if (scale.idleSizes.includes(size)) await measureIdle(daemon, report, size, scale);
    await daemon.supervisor.deleteServices({ selector: labelled("mass") });
  }
}

async function measureOutput(): Promise<void> {
  await using daemon = await new BenchDaemon().start();
  await measureFollow(daemon, report, scale);
  await measurePump(daemon, report, scale);
}

async function measureApi(): Promise<void> {
  await using daemon = new BenchDaemon();
  const probeFile = join(daemon.home, "loop-delay.json");
  await daemon.start(loopProbe(probeFile));
  await measureCalls(daemon, report, scale);
  await measureStream(daemon, report, scale);
  await measureLoad(daemon, report, scale, probeFile);
}
