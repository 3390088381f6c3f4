import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { type FollowLogsResponse, LogService } from "../../gen/pm/v1/log_service_pb.ts";
import { cpuMs } from "../support/process-costs.ts";
import { type BenchDaemon, now, shell } from "./bench-daemon.ts";
import type { Report } from "./report.ts";
import type { Scale } from "./scale.ts";

const blocks = "64 KiB writes";
const lines = "a write a line";
const partMb = 50;

interface Writing {
  readonly title: string;
  readonly blockBytes: number;
  readonly streams: number;
  readonly mb: number;
}

/** Bytes through the pump into files, and through `cat` into a file. */
export async function measurePump(daemon: BenchDaemon, report: Report, { logMb }: Scale): Promise<void> {
  const source = join(daemon.home, "source");
  writeFileSync(source, `${"x".repeat(99)}\n`.repeat((partMb * 1e6) / 100));
  const writings: Writing[] = [
    { title: blocks, blockBytes: 65_536, streams: 1, mb: logMb },
    { title: `20 × ${blocks}`, blockBytes: 65_536, streams: 20, mb: logMb / 20 },
    { title: lines, blockBytes: 100, streams: 1, mb: logMb / 5 },
  ];
  for (const writing of writings) {
    const floor = `cat, ${writing.title}`;
    report.add(floor, "MB/s", [throughCat(daemon, writing)]);
    await throughPump(daemon, report, writing, floor);
  }
}

/** Writes so many megabytes to its output, in blocks of this size. */
function writer(daemon: BenchDaemon, { blockBytes, mb }: Writing): string {
  const dd = `dd if="${daemon.home}/source" bs=${blockBytes} iflag=fullblock status=none`;
  const whole = Math.floor(mb / partMb);
  const rest = Math.ceil(((mb % partMb) * 1e6) / blockBytes);
  return `i=0; while [ $i -lt ${whole} ]; do ${dd}; i=$((i + 1)); done; ${rest > 0 ? `${dd} count=${rest}` : ":"}`;
}

function throughCat(daemon: BenchDaemon, writing: Writing): number {
  const one = (at: number) => `{ ${writer(daemon, writing)}; } | cat >"${daemon.home}/cat${at}" &`;
  const line = `${Array.from({ length: writing.streams }, (_, at) => one(at)).join("\n")}\nwait; rm "${daemon.home}"/cat*`;
  const begun = now();
  spawnSync("/bin/sh", ["-c", line]);
  return (writing.mb * writing.streams * 1000) / (now() - begun);
}

async function throughPump(daemon: BenchDaemon, report: Report, writing: Writing, floor: string): Promise<void> {
  const { title, streams, mb } = writing;
  const { supervisor } = daemon;
  const label = "writer";
  const logs = { rotate: { size: 1_099_511_627_776n } };
  await daemon.make(streams, label, { ...shell(""), process: { command: { shell: `${writer(daemon, writing)}; exec sleep 100000` }, logs } });
  const paths = Array.from({ length: streams }, (_, at) => daemon.logPath(`${label}${at}`));
  const before = cpuMs([daemon.pumpPid]);
  const begun = now();
  await supervisor.startServices({ selector: { labels: { bench: label } } });
  while (paths.some((path) => (statSync(path, { throwIfNoEntry: false })?.size ?? 0) < mb * 1e6)) await sleep(2);
  const took = now() - begun;
  report.add(`pump, ${title}`, "MB/s", [(mb * streams * 1000) / took], { floor });
  report.add(`pump, ${title}, CPU`, "s per GB", [(cpuMs([daemon.pumpPid]) - before) / (mb * streams)]);
  await supervisor.deleteServices({ selector: { labels: { bench: label } }, purgeLogs: true });
}

/** From the moment in which a line is written to the moment in which a follower has it: the line is that moment. */
export async function measureFollow(daemon: BenchDaemon, report: Report, { followLines }: Scale): Promise<void> {
  const clock = `setInterval(() => console.log(String(process.hrtime.bigint())), 7)`;
  const spec = shell(`exec "${process.execPath}" -e '${clock}'`);
  await daemon.supervisor.createService({ name: "clock", spec });
  while (!statSync(daemon.logPath("clock"), { throwIfNoEntry: false })) await sleep(20);

  const tail = spawn("tail", ["-n", "0", "-F", daemon.logPath("clock")], { stdio: ["ignore", "pipe", "ignore"] });
  report.add("tail -F: line written → line read", "ms", await ages(createInterface(tail.stdout), followLines));
  tail.kill();
  await once(tail, "exit");

  const leave = new AbortController();
  const stream = daemon.client(LogService).followLogs({ filter: { selector: { names: ["clock"] } } }, { signal: leave.signal });
  report.add("FollowLogs: line written → line read", "ms", await ages(textsOf(stream), followLines), { floor: "tail -F: line written → line read" });
  leave.abort();
  await daemon.supervisor.deleteServices({ selector: { names: ["clock"] } });
}

async function* textsOf(stream: AsyncIterable<FollowLogsResponse>): AsyncGenerator<string> {
  for await (const { entries } of stream) for (const { content } of entries) yield String(content.value);
}

/** The first half second is not counted: whoever follows is only beginning to. */
async function ages(lines: AsyncIterable<string>, count: number): Promise<number[]> {
  const begun = now();
  const ages = [];
  for await (const line of lines) {
    const seen = now();
    if (seen - begun > 500) ages.push(seen - Number(line) / 1e6);
    if (ages.length === count) break;
  }
  return ages;
}
