import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DaemonService } from "../../gen/pm/v1/daemon_service_pb.ts";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { History, witnesses } from "../support/history.ts";
import { PidNamespace } from "../support/pid-namespace.ts";
import { isAlive, isRunning, named, pidOf, shell } from "../support/specs.ts";

const isRoot = process.getuid?.() === 0;

describe.skipIf(!isRoot).each(["auto", "off"])("with cgroups %s", (cgroups) => {
  it.each(["dead", "stopped"])("the pids of a service and its shim are given to strangers while pmd is %s: they are not touched", async (pmd) => {
    await using namespace = await PidNamespace.open();
    await using daemon = await startDaemon({ within: namespace.within, args: ["--cgroups", cgroups] });
    const client = daemon.client(SupervisorService);
    const history = new History(daemon);
    await client.createService({ name: "web", spec: shell(daemon, witnesses.lasting) });
    await eventually(() => history.lives("web") === 1);
    const { run, shim, pid } = onlyRun(daemon);
    const outside = [shim, pid].map((number) => namespace.findOutside(number) ?? 0);
    const supervisor = namespace.findOutside((await daemon.client(DaemonService).getInfo({})).pid) ?? 0;

    process.kill(supervisor, pmd === "dead" ? "SIGKILL" : "SIGSTOP");
    if (pmd === "dead") await daemon.ended();
    // Whoever has sent pmd into the namespace stops with it, and would not see its end.
    else await eventually(() => isStopped(daemon.pid));
    for (const number of outside) process.kill(number, "SIGKILL");
    history.add({ type: "killed", run, what: "shim" }, { type: "killed", run, what: "service" });
    await eventually(() => outside.every((number) => !existsSync(`/proc/${number}`)));
    const strangers = [shim, pid].map((number) => namespace.startStranger(number));
    if (pmd === "dead") await daemon.start();
    else for (const number of [daemon.pid, supervisor]) process.kill(number, "SIGCONT");

    await eventually(async () => history.lives("web") === 2 && (await isRunning(daemon, "web")) && (await pidOf(daemon, "web")) !== pid);
    await client.stopServices({ selector: named("web") });
    for (const stranger of strangers) if (!isAlive(stranger)) history.add({ type: "bystander-died", pid: stranger });
    expect(await history.violations()).toEqual([]);
  });
});

function isStopped(pid: number): boolean {
  return /^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, "latin1"));
}

/** As its directory has it, with the numbers that the namespace has for it. */
function onlyRun(daemon: TestDaemon): { run: string; shim: number; pid: number } {
  const runs = join(daemon.runtimeDir, "runs");
  const alive = readdirSync(runs).filter((run) => existsSync(join(runs, run, "pid")) && !existsSync(join(runs, run, "exit")));
  expect(alive).toHaveLength(1);
  const run = alive[0] ?? "";
  const read = (file: string) => Number(readFileSync(join(runs, run, file), "latin1"));
  return { run, shim: read("shim"), pid: read("pid") };
}
