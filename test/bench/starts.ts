import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { cpuMs, pssMib } from "../support/process-costs.ts";
import { type BenchDaemon, labelled, now, shell } from "./bench-daemon.ts";
import type { Report } from "./report.ts";
import type { Scale } from "./scale.ts";

const bare = "bare spawn";

/** What the system itself takes, for the same first line. */
export async function measureFloor(daemon: BenchDaemon, report: Report, { rounds }: Scale): Promise<void> {
  const times = [];
  for (let round = 0; round < rounds; round++) times.push(await spawnBare(daemon, 1));
  report.add(bare, "ms", times);
}

/** Resolves with the time until the last of so many has said that it runs. */
async function spawnBare(daemon: BenchDaemon, size: number): Promise<number> {
  const up = daemon.hear(size);
  const begun = now();
  const children = Array.from({ length: size }, () => spawn("/bin/sh", ["-c", daemon.sleeper], { stdio: "ignore" }));
  const took = (await up) - begun;
  const ended = children.map((child) => once(child, "exit"));
  for (const child of children) child.kill("SIGKILL");
  await Promise.all(ended);
  return took;
}

export async function measureOne(daemon: BenchDaemon, report: Report, { rounds }: Scale): Promise<void> {
  const { supervisor } = daemon;
  const selector = { names: ["one"] };
  const starts = [];
  const crashes = [];
  await supervisor.createService({ name: "one", spec: shell(daemon.sleeper), wait: { level: 1 } });
  for (let round = 0; round < rounds; round++) {
    await supervisor.stopServices({ selector });
    const up = daemon.hear(1);
    const begun = now();
    const call = supervisor.startServices({ selector });
    starts.push((await up) - begun);
    await call;
    const { service } = await supervisor.getService({ name: "one" });
    const again = daemon.hear(1);
    const killed = now();
    process.kill(service?.status?.instances[0]?.run?.pid ?? 0, "SIGKILL");
    crashes.push((await again) - killed);
    while ((await supervisor.getService({ name: "one" })).service?.status?.instancesReady !== 1);
  }
  report.add("API start → first instruction", "ms", starts, { floor: bare });
  report.add("crash → first instruction", "ms", crashes, { floor: bare });
  await supervisor.deleteServices({ selector });
}

/** Leaves them running. */
export async function measureMass(daemon: BenchDaemon, report: Report, size: number): Promise<void> {
  const { supervisor } = daemon;
  const selector = labelled("mass");
  const starts = [];
  const stops = [];
  const costs = [];
  const floor = `${bare} × ${size}`;
  report.add(floor, "ms", [await spawnBare(daemon, size), await spawnBare(daemon, size), await spawnBare(daemon, size)]);
  await daemon.make(size, "mass", shell(daemon.sleeper));
  for (let round = 0; round < 3; round++) {
    if (round > 0) {
      const stopping = now();
      await supervisor.stopServices({ selector });
      stops.push(now() - stopping);
    }
    const up = daemon.hear(size);
    const before = cpuMs([daemon.pid]);
    const begun = now();
    const call = supervisor.startServices({ selector });
    starts.push((await up) - begun);
    await call;
    costs.push(cpuMs([daemon.pid]) - before);
  }
  report.add(`start ${size} → last one's first instruction`, "ms", starts, { floor });
  report.add(`start ${size}, CPU of pmd`, "ms", costs);
  report.add(`stop ${size} → nothing is left`, "ms", stops);
  const lists = [];
  for (let round = 0; round < 200; round++) {
    const asked = now();
    await supervisor.listServices({});
    lists.push(now() - asked);
  }
  report.add(`list ${size}`, "ms", lists);
}

/** What it costs when nothing happens. */
export async function measureIdle(daemon: BenchDaemon, report: Report, size: number, { idleS }: Scale): Promise<void> {
  await sleep(2000); // what the starts have left to do is not idleness
  const ours = daemon.pids();
  const before = cpuMs(ours);
  await sleep(idleS * 1000);
  report.add(`idle CPU, ${size} services`, "% of a core", [(cpuMs(ours) - before) / idleS / 10]);
  const shims = ours.filter((pid) => pid !== daemon.pid && pid !== daemon.pumpPid);
  report.add(`PSS, ${size} services, of all`, "MiB", [pssMib(ours)]);
  report.add(`PSS, ${size} services, of pmd`, "MiB", [pssMib([daemon.pid])]);
  report.add(`PSS, ${size} services, of the pump`, "MiB", [pssMib([daemon.pumpPid])]);
  report.add(`PSS, ${size} services, of ${shims.length} shims`, "MiB", [pssMib(shims)]);
}
