import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as passTime } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { DaemonService } from "../../gen/pm/v1/daemon_service_pb.ts";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { listPids, readStat, runsShim } from "../../src/host/process-table.ts";
import { startDaemon, TestDaemon } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { History, witnesses } from "../support/history.ts";
import { canMount, mountSmallDisk } from "../support/small-disk.ts";
import { getService, isAlive, isRunning, named, pidOf, shell } from "../support/specs.ts";
import { makeTempDir } from "../support/temp-dir.ts";

describe.each(["auto", "off"])("with cgroups %s", (cgroups) => {
  it("without file descriptors pmd lives on, takes nothing alive for dead, starts no twin, and goes on when there are some again", async () => {
    await using daemon = await startDaemon({ args: ["--cgroups", cgroups] });
    const client = daemon.client(SupervisorService);
    const history = new History(daemon);
    await client.createService({ name: "lasting", spec: shell(daemon, witnesses.lasting, { instances: 3 }) });
    await client.createService({ name: "mortal", spec: shell(daemon, witnesses.mortal, { restart: restartSoon }) });
    // Its main process goes as soon as it is told to, and leaves a child that holds the lock.
    const orphaning = witnesses.lasting.replace(
      "exec sleep 1000",
      'sleep 1000 & until [ -e go ]; do sleep 0.01; done; echo "ending $who 5" >>history; rm go; exit 5',
    );
    await client.createService({ name: "leader", spec: shell(daemon, orphaning) });
    const pids = await lastingPids(daemon);
    const { pid } = daemon;
    limitDescriptors(pid, readdirSync(`/proc/${pid}/fd`).length);
    execFileSync("touch", [join(daemon.root, "go")]);
    // Several looks at everything, with nothing to look with: what they come to is the experiment itself.
    await passTime(6000);
    expect(isAlive(pid)).toBe(true);
    limitDescriptors(pid, 4096);
    await eventually(() => isRunning(daemon, "leader"));
    const before = history.lives("mortal");
    await eventually(() => history.lives("mortal") > before);
    expect(daemon.pid).toBe(pid);
    expect(await lastingPids(daemon)).toEqual(pids);
    await client.stopServices({ selector: { all: true } });
    expect(await history.violations()).toEqual([]);
  });
});

it("a pump without file descriptors loses nothing, and reads new runs when there are some again", async () => {
  await using daemon = await startDaemon();
  const client = daemon.client(SupervisorService);
  await client.createService({ name: "first", spec: shell(daemon, "echo first; exec sleep 1000") });
  await eventually(() => logOf(daemon, "first") === "first\n");
  const { pumpPid } = await eventually(async () => {
    const info = await daemon.client(DaemonService).getInfo({});
    return info.pumpPid > 0 && info;
  });
  limitDescriptors(pumpPid, readdirSync(`/proc/${pumpPid}/fd`).length);
  const line = "for i in 1 2 3 4 5; do echo $i; done; echo x >>said; exec sleep 1000";
  await client.createService({ name: "second", spec: shell(daemon, line) });
  await eventually(() => existsSync(join(daemon.root, "said")));
  limitDescriptors(pumpPid, 4096);
  await eventually(() => logOf(daemon, "second") === "1\n2\n3\n4\n5\n");
  expect((await daemon.client(DaemonService).getInfo({})).pumpPid).toBe(pumpPid);
});

it("where no process can be made, a start fails and is tried again, and pmd goes on", async () => {
  await using daemon = await startDaemon();
  const client = daemon.client(SupervisorService);
  const history = new History(daemon);
  await client.createService({ name: "mortal", spec: shell(daemon, witnesses.mortal, { restart: restartSoon }) });
  await eventually(() => history.lives("mortal") > 0);
  // The shell that makes shims ends when it cannot fork, and pmd cannot make another.
  const makers = listPids().filter((pid) => readStat(pid)?.parent === daemon.pid && runsShim(pid));
  const refusal = await refuse([daemon.pid, ...makers], ["clone", "clone3", "fork", "vfork"], { error: "EAGAIN" });
  await eventually(async () => {
    const { runs } = await client.getService({ name: "mortal", runHistory: 5 });
    return runs.some(({ exit }) => exit?.cause === 12);
  });
  await refusal.end();
  const before = history.lives("mortal");
  await eventually(() => history.lives("mortal") > before + 3);
  await client.stopServices({ selector: { all: true } });
  expect(await history.violations()).toEqual([]);
});

describe.skipIf(!canMount)("a full disk", () => {
  it("under the state directory: services are stopped and started, and what must be remembered and cannot is refused", async () => {
    await using place = makeTempDir();
    using disk = mountSmallDisk(place.path);
    await using daemon = new TestDaemon({});
    symlinkSync(place.path, daemon.stateDir);
    await daemon.start();
    const client = daemon.client(SupervisorService);
    await client.createService({ name: "web", spec: shell(daemon, witnesses.lasting) });
    const history = new History(daemon);
    disk.fill();
    const { results } = await client.stopServices({ selector: named("web") });
    expect(results[0]?.problem).toBeUndefined();
    await client.startServices({ selector: named("web") });
    const big = shell(daemon, "exec sleep 1000", { description: "x".repeat(900), labels: Object.fromEntries(manyLabels()) });
    await expect(createMany(daemon, big)).rejects.toThrow(/store|cannot/);
    await eventually(() => isRunning(daemon, "web"));
    disk.empty();
    await client.createService({ name: "later", spec: shell(daemon, witnesses.lasting) });
    await daemon.kill9();
    await daemon.start();
    await eventually(() => isRunning(daemon, "later"));
    await client.stopServices({ selector: { all: true } });
    expect(await history.violations()).toEqual([]);
  });

  it("under the runtime directory: what runs runs on, its end is recorded when there is room, and then it is started again", async () => {
    await using place = makeTempDir();
    using disk = mountSmallDisk(place.path);
    await using daemon = new TestDaemon({});
    symlinkSync(place.path, daemon.runtimeDir);
    await daemon.start();
    const client = daemon.client(SupervisorService);
    const history = new History(daemon);
    const line = `${witnesses.lasting.replace("exec sleep 1000", "")}until [ -e go ]; do sleep 0.01; done; echo "ending $who 7" >>history; rm go; exit 7`;
    await client.createService({ name: "web", spec: shell(daemon, line) });
    const pid = await pidOf(daemon, "web");
    disk.fill();
    execFileSync("touch", [join(daemon.root, "go")]);
    await eventually(() => !isAlive(pid));
    disk.empty();
    await eventually(async () => (await isRunning(daemon, "web")) && (await pidOf(daemon, "web")) !== pid);
    await client.stopServices({ selector: { all: true } });
    expect(await history.violations()).toEqual([]);
  });

  it("under the logs: services run on and are stopped", async () => {
    await using place = makeTempDir();
    using disk = mountSmallDisk(place.path);
    await using daemon = new TestDaemon({});
    symlinkSync(place.path, daemon.logDir);
    await daemon.start();
    disk.fill();
    const client = daemon.client(SupervisorService);
    const history = new History(daemon);
    const line = witnesses.lasting.replace("exec sleep 1000", "seq 500000; echo done >>said; exec sleep 1000");
    await client.createService({ name: "web", spec: shell(daemon, line) });
    await eventually(() => existsSync(join(daemon.root, "said")));
    await client.stopServices({ selector: named("web") });
    expect(await history.violations()).toEqual([]);
  });
});

it("a disk that breaks under a log keeps no service waiting; what it did not take is a gap, and when it is whole again the log goes on", async () => {
  await using daemon = await startDaemon();
  const client = daemon.client(SupervisorService);
  const line = "i=0; while :; do i=$((i+1)); echo $i; echo $i >wrote; sleep 0.01; done";
  await client.createService({ name: "web", spec: shell(daemon, line) });
  await eventually(() => logOf(daemon, "web").length > 0);
  // What a pump has written may be there before pmd has heard of the pump.
  const pumpPid = await eventually(async () => (await daemon.client(DaemonService).getInfo({})).pumpPid || undefined);
  const wrote = () => Number(readFileSync(join(daemon.root, "wrote"), "utf8"));
  const refusal = await refuse([pumpPid], ["write"], { error: "EIO", path: join(daemon.logDir, "web/out.log") });
  const before = wrote();
  await eventually(() => refusal.count > 0 && wrote() > before + 20);
  await refusal.end();
  const after = wrote();
  await eventually(() => Number(logOf(daemon, "web").trimEnd().split("\n").at(-1)) > after);
  await client.stopServices({ selector: named("web") });
  expect((await daemon.client(DaemonService).getInfo({})).pumpPid).toBe(pumpPid);
  const { stdout, stderr } = await daemon.pmctl(["logs", "web", "-n", "all", "--raw"]);
  const numbers = stdout.trimEnd().split("\n").map(Number);
  expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  expect(numbers.length).toBeLessThan(numbers.at(-1) ?? 0);
  expect(stderr).toMatch(/missing/);
});

it("a disk that cannot sync the store: a service that would not be remembered is refused, what runs runs on, and then it is taken", async () => {
  await using daemon = await startDaemon();
  const client = daemon.client(SupervisorService);
  await client.createService({ name: "web", spec: shell(daemon, "exec sleep 1000") });
  const pid = await pidOf(daemon, "web");
  const refusal = await refuse([daemon.pid], ["fsync", "fdatasync"], { error: "EIO" });
  await expect(client.createService({ name: "later", spec: shell(daemon, "exec sleep 1000") })).rejects.toThrow(/store/);
  await refusal.end();
  await client.createService({ name: "later", spec: shell(daemon, "exec sleep 1000") });
  await daemon.kill9();
  await daemon.start();
  await eventually(async () => (await isRunning(daemon, "later")) && (await isRunning(daemon, "web")));
  expect(await pidOf(daemon, "web")).toBe(pid);
});

it("with inotify used up everything goes on, by looking from time to time", async () => {
  // Of a user namespace of its own, so that nobody else on the host is left without.
  const within = ["unshare", "-Ur", "sh", "-c", 'echo 0 >/proc/sys/user/max_inotify_instances && exec "$@"', "sh"];
  await using daemon = await startDaemon({ within, args: ["--cgroups", "off"] });
  const client = daemon.client(SupervisorService);
  const history = new History(daemon);
  await client.createService({ name: "web", spec: shell(daemon, `${witnesses.lasting.replace("exec", "echo hello; exec")}`) });
  await eventually(() => logOf(daemon, "web") === "hello\n");
  const pid = await pidOf(daemon, "web");
  history.add({ type: "killed", run: (await getService(daemon, "web")).status?.instances[0]?.run?.id ?? "", what: "service" });
  process.kill(pid, "SIGKILL");
  await eventually(async () => (await isRunning(daemon, "web")) && (await pidOf(daemon, "web")) !== pid);
  await client.stopServices({ selector: named("web") });
  expect(await history.violations()).toEqual([]);
});

it("what pmd was started with beside its standard descriptors is held by no service, no shim, no pump, and not by pmd", async () => {
  await using daemon = await startDaemon({ within: ["bash", "-c", 'exec 3>&2 9>foreign 12>foreign 200>foreign; exec "$@"', "bash"] });
  await daemon.client(SupervisorService).createService({ name: "web", spec: shell(daemon, "exec sleep 1000") });
  const pumpPid = await eventually(async () => (await daemon.client(DaemonService).getInfo({})).pumpPid || undefined);
  const pid = await pidOf(daemon, "web");
  const shim = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]);
  const { ino } = statSync(join(daemon.home, "foreign"));
  const holders = [daemon.pid, pumpPid, shim, pid].filter((process) => inodesOf(process).includes(ino));
  expect(holders).toEqual([]);
  const starters = statSync(`/proc/${daemon.pid}/fd/2`).ino;
  expect(inodesOf(daemon.pid).filter((inode) => inode === starters)).toEqual([starters]);
});

const restartSoon = { delay: { nanos: 50_000_000 }, maxDelay: { nanos: 50_000_000 } };

function limitDescriptors(pid: number, count: number): void {
  execFileSync("prlimit", ["--pid", String(pid), `--nofile=${count}:4096`]);
}

/** From now until `end`, the kernel refuses these calls to this process: all of them, or those on one file. */
async function refuse(pids: readonly number[], calls: readonly string[], { error, path }: { error: string; path?: string }) {
  const names = calls.join(",");
  const which = path === undefined ? [] : ["-P", path];
  const whom = pids.flatMap((pid) => ["-p", String(pid)]);
  const strace = spawn("strace", ["-f", ...whom, ...which, "-e", `trace=${names}`, "-e", `inject=${names}:error=${error}`], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  strace.stderr.setEncoding("utf8").on("data", (text) => {
    said += text;
  });
  await eventually(() => {
    if (strace.exitCode !== null) throw new Error(`strace has ended: ${said}`);
    return pids.every((pid) => said.includes(`Process ${pid} attached`));
  });
  return {
    get count() {
      return said.split("(INJECTED)").length - 1;
    },
    async end() {
      const ended = once(strace, "exit");
      strace.kill("SIGINT");
      await ended;
    },
  };
}

async function lastingPids(daemon: TestDaemon): Promise<(number | undefined)[]> {
  return (await getService(daemon, "lasting")).status?.instances.map(({ run }) => run?.pid) ?? [];
}

async function createMany(daemon: TestDaemon, spec: ReturnType<typeof shell>): Promise<void> {
  for (let i = 0; i < 1000; i++) await daemon.client(SupervisorService).createService({ name: `many${i}`, spec: { ...spec, autostart: false } });
}

function manyLabels(): [string, string][] {
  return Array.from({ length: 60 }, (_, i) => [`label${i}`, "y".repeat(250)]);
}

function logOf(daemon: TestDaemon, name: string): string {
  const path = join(daemon.logDir, name, "out.log");
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

/** Of everything that it has open. */
function inodesOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((descriptor) => statSync(`/proc/${pid}/fd/${descriptor}`, { throwIfNoEntry: false })?.ino ?? []);
}
