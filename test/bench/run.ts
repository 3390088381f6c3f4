// npm run bench: what pmd costs, beside what the bare system costs in the same run. Plain lines for people, and JSON with --json FILE.
import { spawn, spawnSync } from "node:child_process";
import { createReadStream, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { DaemonService } from "../../gen/pm/v1/daemon_service_pb.ts";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";

const rounds = 30;
const sizes = [10, 100];
const now = () => Number(process.hrtime.bigint()) / 1e6;

const home = mkdtempSync(join(tmpdir(), "pm-bench-"));
mkdirSync(join(home, "run"));
const results: Record<string, { unit: string; median: number; p99: number; n: number }> = {};
const socketPath = join(home, "run/pmd.sock");
const transport = createConnectTransport({ baseUrl: "http://pmd", httpVersion: "1.1", nodeOptions: { socketPath } });
const supervisor = createClient(SupervisorService, transport);
const daemon = createClient(DaemonService, transport);

// A service says that it runs by writing to a FIFO with its first instruction; the line is seen here by its arrival.
const said = join(home, "said");
spawnSync("mkfifo", [said]);
const lines = createInterface({ input: createReadStream(said, { flags: "r+" }) });
let heard: (line: string) => void = () => undefined;
lines.on("line", (line) => heard(line));
const first = `echo up >"${said}"; exec sleep 1000`;

try {
  await floor();
  const pmd = await startPmd();
  await startOne();
  await crashOne();
  for (const size of sizes) await mass(size);
  await lists();
  idle(pmd.pid ?? 0);
  await daemon.shutdown({ stopServices: true });
  cli();
} finally {
  lines.close();
  spawnSync("sh", ["-c", `kill $(cat ${home}/run/pump/pid) 2>/dev/null`]);
  rmSync(home, { recursive: true, force: true });
}
const file = process.argv[process.argv.indexOf("--json") + 1];
if (process.argv.includes("--json") && file) writeFileSync(file, `${JSON.stringify(results, undefined, 2)}\n`);
process.exit(0);

async function floor(): Promise<void> {
  const times = [];
  for (let round = 0; round < rounds; round++) {
    const up = hear(1);
    const begun = now();
    const child = spawn("/bin/sh", ["-c", first], { stdio: "ignore" });
    times.push((await up) - begun);
    child.kill("SIGKILL");
  }
  report("bare spawn → first instruction", "ms", times);
}

async function startPmd() {
  const begun = now();
  const dirs = ["--state-dir", join(home, "state"), "--runtime-dir", join(home, "run"), "--log-dir", join(home, "logs")];
  const child = spawn(process.execPath, ["dist/pmd.js", ...dirs, "--log-file", join(home, "pmd.log")], { stdio: "ignore" });
  while (!(await daemon.getInfo({}).then(Boolean, () => false)));
  report("pmd start → first answer", "ms", [now() - begun]);
  return child;
}

async function startOne(): Promise<void> {
  const times = [];
  await supervisor.createService({ name: "one", spec: spec(first), wait: { level: 1 } });
  for (let round = 0; round < rounds; round++) {
    await supervisor.stopServices({ selector: { names: ["one"] } });
    const up = hear(1);
    const begun = now();
    const call = supervisor.startServices({ selector: { names: ["one"] }, wait: { level: 1 } });
    times.push((await up) - begun);
    await call;
  }
  report("API start → first instruction", "ms", times);
}

async function crashOne(): Promise<void> {
  const times = [];
  for (let round = 0; round < rounds; round++) {
    const { service } = await supervisor.getService({ name: "one" });
    const pid = service?.status?.instances[0]?.run?.pid;
    if (!pid) continue;
    const up = hear(1);
    const begun = now();
    process.kill(pid, "SIGKILL");
    times.push((await up) - begun);
    while ((await supervisor.getService({ name: "one" })).service?.status?.instancesReady !== 1);
  }
  report("crash → first instruction", "ms", times);
  await supervisor.deleteServices({ selector: { names: ["one"] } });
}

async function mass(size: number): Promise<void> {
  const selector = { labels: { bench: "mass" } };
  for (let at = 0; at < size; at++) {
    await supervisor.createService({ name: `m${at}`, spec: { ...spec(first), autostart: false, labels: { bench: "mass" } } });
  }
  const starts = [];
  const stops = [];
  for (let round = 0; round < 3; round++) {
    const up = hear(size);
    const begun = now();
    const call = supervisor.startServices({ selector, wait: { level: 1 } });
    starts.push((await up) - begun);
    await call;
    await supervisor.startServices({ selector });
    const stopping = now();
    await supervisor.stopServices({ selector });
    stops.push(now() - stopping);
  }
  report(`start ${size} → last one's first instruction`, "ms", starts);
  report(`stop ${size} → nothing is left`, "ms", stops);
  if (size === sizes.at(-1)) await supervisor.startServices({ selector });
  else await supervisor.deleteServices({ selector });
}

async function lists(): Promise<void> {
  const times = [];
  for (let round = 0; round < 200; round++) {
    const begun = now();
    await supervisor.listServices({});
    times.push(now() - begun);
  }
  report(`list ${sizes.at(-1)} services`, "ms", times);
}

/** Everything that is ours: pmd, the pump and the shims. */
function idle(pid: number): void {
  const shims = spawnSync("pgrep", ["-f", `${home}/run/shim`], { encoding: "utf8" })
    .stdout.trim()
    .split("\n");
  const pump = readFileSync(join(home, "run/pump/pid"), "utf8").trim();
  const before = cpuMs([String(pid), pump]);
  spawnSync("sleep", ["20"]);
  report(`idle CPU, ${sizes.at(-1)} services`, "% of a core", [(cpuMs([String(pid), pump]) - before) / 200]);
  report("PSS of pmd", "MiB", [pssMiB([String(pid)])]);
  report("PSS of the pump", "MiB", [pssMiB([pump])]);
  report(`PSS of ${shims.length} shims`, "MiB", [pssMiB(shims)]);
}

function cli(): void {
  const time = (args: string[]) => {
    const begun = now();
    spawnSync(process.execPath, args, { stdio: "ignore" });
    return now() - begun;
  };
  report(
    "node -e 0",
    "ms",
    Array.from({ length: 10 }, () => time(["-e", "0"])),
  );
  report(
    "pmctl --version, whole process",
    "ms",
    Array.from({ length: 10 }, () => time(["dist/pmctl.js", "--version"])),
  );
}

function spec(line: string) {
  return {
    process: { command: { shell: line } },
    start: { settle: { nanos: 1 } },
    restart: { delay: { nanos: 0 } },
  };
}

/** Resolves with the time at which so many lines have come. */
function hear(count: number): Promise<number> {
  let left = count;
  return new Promise((resolve) => {
    heard = () => {
      left -= 1;
      if (left === 0) resolve(now());
    };
  });
}

function cpuMs(pids: string[]): number {
  return pids.reduce((sum, pid) => sum + Number(readFileSync(`/proc/${pid}/schedstat`, "latin1").split(" ")[0]) / 1e6, 0);
}

function pssMiB(pids: string[]): number {
  return pids.reduce((sum, pid) => sum + Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "latin1"))?.[1] ?? 0), 0) / 1024;
}

function report(title: string, unit: string, values: number[]): void {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
  results[title] = { unit, median: at(0.5), p99: at(0.99), n: values.length };
  const p99 = values.length > 1 ? `  p99 ${at(0.99).toFixed(1)}  n=${values.length}` : "";
  console.log(`${title.padEnd(48)} ${at(0.5).toFixed(1).padStart(8)} ${unit}${p99}`);
}
