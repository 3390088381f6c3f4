// npm run soak -- --minutes 10: services come and go, crash and flood, and clients look and read slowly, for so long. Prints what pmd and the
// pump have in memory and open, once a minute. After the first it is to stay as it is: the exit status is 1 if one has more of its own then than
// the bound says.
import { readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { EventService } from "../../gen/pm/v1/event_service_pb.ts";
import { LogService } from "../../gen/pm/v1/log_service_pb.ts";
import { cpuMs, ownMib, rssMib } from "../support/process-costs.ts";
import { BenchDaemon, now, shell } from "./bench-daemon.ts";

const { values } = parseArgs({ options: { minutes: { type: "string", default: "10" } } });
const minutes = Number(values.minutes);
/** How much more each may have at the end than after the first minute. */
const boundsMib = { pmd: 16, pump: 8 };
await using daemon = await new BenchDaemon().start();
const { supervisor } = daemon;
const until = now() + minutes * 60_000;
const leave = new AbortController();
let rounds = 0;

const logs = { rotate: { size: 1_000_000n, backups: 3 } };
await daemon.make(50, "still", shell("exec sleep 100000"));
await daemon.make(3, "crash", shell("echo it ends; exit 1", { restart: { delay: { nanos: 100_000_000 }, maxDelay: { seconds: 1n } } }));
await daemon.make(2, "flood", { ...shell(""), process: { command: { shell: "while :; do seq 100000; sleep 1; done" }, logs } });
await supervisor.startServices({ selector: { all: true }, wait: { level: 1 } });

const work = Promise.all([churn(), follow(daemon.client(LogService).followLogs({ filter: { selector: { all: true } } }, { signal: leave.signal }))]);
const events = follow(daemon.client(EventService).followEvents({}, { signal: leave.signal }));
const warm = Math.min(1, minutes);
await printEachMinute(0, warm);
const before = memory();
await printEachMinute(warm, minutes);
const after = memory();
leave.abort();
await Promise.all([work, events]);
const grown = (["pmd", "pump"] as const).map((name) => {
  const more = after[name] - before[name];
  const verdict = more > boundsMib[name] ? "TOO MUCH" : "ok";
  console.log(
    `${name.padEnd(4)} own memory ${before[name].toFixed(1)} → ${after[name].toFixed(1)} MiB; ${boundsMib[name]} more are allowed: ${verdict}`,
  );
  return more > boundsMib[name];
});
process.exitCode = grown.includes(true) ? 1 : 0;

/** The first time at once. */
async function printEachMinute(from: number, to: number): Promise<void> {
  if (from === 0) print(0);
  for (let minute = from; minute < to; ) {
    const next = Math.min(minute + 1, to);
    await sleep((next - minute) * 60_000);
    minute = next;
    print(minute);
  }
}

function memory() {
  return { pmd: ownMib(daemon.pid), pump: ownMib(daemon.pumpPid) };
}

async function churn(): Promise<void> {
  for (; now() < until; rounds++) {
    const name = `passing${rounds % 20}`;
    await supervisor.createService({ name, spec: shell("echo here; exec sleep 100000") });
    await supervisor.restartServices({ selector: { names: [`still${rounds % 50}`] } });
    await supervisor.listServices({});
    await supervisor.deleteServices({ selector: { names: [name] }, purgeLogs: true });
    await sleep(20);
  }
}

/** Slower than what there is to read. */
async function follow(stream: AsyncIterable<unknown>): Promise<void> {
  try {
    for await (const _ of stream) await sleep(100);
  } catch (error) {
    if (!leave.signal.aborted) throw error;
  }
}

function print(minute: number): void {
  const of = (pid: number) =>
    `${rssMib(pid).toFixed(1)} MiB, ${readdirSync(`/proc/${pid}/fd`).length} files, ${(cpuMs([pid]) / 1000).toFixed(1)} CPU s`;
  console.log(`${String(minute).padStart(4)} min  ${String(rounds).padStart(6)} rounds   pmd ${of(daemon.pid)}   pump ${of(daemon.pumpPid)}`);
}
