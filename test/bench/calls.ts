import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient, type Transport } from "@connectrpc/connect";
import { DaemonService } from "../../gen/pm/v1/daemon_service_pb.ts";
import { LogService } from "../../gen/pm/v1/log_service_pb.ts";
import { readLoopDelay } from "../support/loop-delay.ts";
import { rssMib } from "../support/process-costs.ts";
import { type BenchDaemon, now, shell } from "./bench-daemon.ts";
import type { Report } from "./report.ts";
import type { Scale } from "./scale.ts";

const deep = 50;
const page = 10_000;

export async function measureCalls(daemon: BenchDaemon, report: Report, { calls }: Scale): Promise<void> {
  report.add("calls, HTTP/1.1, one after another", "per s", [await rate(daemon.transport, calls, 1)]);
  report.add(`calls, HTTP/1.1, ${deep} at a time`, "per s", [await rate(daemon.transport, calls, deep)]);
  const http2 = daemon.http2Transport();
  report.add("calls, gRPC, one after another", "per s", [await rate(http2, calls, 1)]);
  report.add(`calls, gRPC, ${deep} at a time on one connection`, "per s", [await rate(http2, calls, deep)]);
  report.add("RSS of pmd after these calls", "MiB", [rssMib(daemon.pid)]);
}

async function rate(transport: Transport, calls: number, atATime: number): Promise<number> {
  const client = createClient(DaemonService, transport);
  let left = calls;
  const begun = now();
  const work = async () => {
    while (left-- > 0) await client.getInfo({});
  };
  await Promise.all(Array.from({ length: atATime }, work));
  return (calls * 1000) / (now() - begun);
}

/** How fast lines that are on disk come over a stream. */
export async function measureStream(daemon: BenchDaemon, report: Report, { calls }: Scale): Promise<void> {
  const count = Math.min(100_000, calls * 10);
  const done = join(daemon.home, "written");
  await daemon.supervisor.createService({ name: "book", spec: shell(`seq -f 'line %090g' ${count}; touch "${done}"; exec sleep 100000`) });
  while (!existsSync(done)) await sleep(20);
  const client = daemon.client(LogService);
  const filter = { selector: { names: ["book"] } };
  while ((await client.readLogs({ filter, tail: 1, maxEntries: 1 })).entries[0]?.content.value?.toString().endsWith(`${count}`) !== true);

  const leave = new AbortController();
  let seen = 0;
  const begun = now();
  for await (const { entries } of client.followLogs({ filter, tail: count }, { signal: leave.signal })) {
    seen += entries.length;
    if (seen >= count) break;
  }
  report.add("lines over FollowLogs, 96 bytes each", "per s", [(seen * 1000) / (now() - begun)]);

  let read = 0;
  let cursor = "";
  const opened = now();
  for (let atEnd = false; !atEnd; ) {
    const answer = await client.readLogs({ filter, cursor, maxEntries: page, ...(cursor === "" && { tail: count }) });
    ({ cursor, atEnd } = answer);
    read += answer.entries.length;
  }
  report.add(`lines over ReadLogs, ${page} a page`, "per s", [(read * 1000) / (now() - opened)]);
  await daemon.supervisor.deleteServices({ selector: { names: ["book"] }, purgeLogs: true });
}

/** Two hundred services, five of which end all the time, four that flood, and one that is restarted; meanwhile a client looks. */
export async function measureLoad(daemon: BenchDaemon, report: Report, { loadS }: Scale, probeFile: string): Promise<void> {
  const { supervisor } = daemon;
  await daemon.make(190, "load-still", shell("exec sleep 100000"));
  await daemon.make(5, "load-crash", shell("exit 1"));
  const logs = { rotate: { size: 10_000_000n, backups: 1 } };
  await daemon.make(4, "load-flood", { ...shell(""), process: { command: { shell: "exec yes 'a line that says nothing at all'" }, logs } });
  await daemon.make(1, "load-again", shell("exec sleep 100000"));
  const all = { names: ["load-*"] };
  await supervisor.startServices({ selector: all, wait: { level: 1 } });
  await readLoopDelay(daemon.pid, probeFile); // what came before is not counted

  const until = now() + loadS * 1000;
  const restarting = (async () => {
    while (now() < until) await supervisor.restartServices({ selector: { names: ["load-again*"] }, wait: { level: 2 } });
  })();
  const times = [];
  while (now() < until) {
    const asked = now();
    await supervisor.listServices({});
    times.push(now() - asked);
    await sleep(10);
  }
  await restarting;
  report.add("list 200 under load", "ms", times);
  const { p50, p99, max } = await readLoopDelay(daemon.pid, probeFile);
  report.add("event loop late under load, median", "ms", [p50]);
  report.add("event loop late under load, p99", "ms", [p99]);
  report.add("event loop late under load, most", "ms", [max]);
  await supervisor.deleteServices({ selector: all, purgeLogs: true });
}
