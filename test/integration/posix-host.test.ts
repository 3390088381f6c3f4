import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { expect, it, vi } from "vitest";
import type { RunExit } from "../../src/core/state.ts";
import { PosixHost } from "../../src/host/posix-host.ts";
import { listPids, readBootId, readStat, runsShim } from "../../src/host/process-table.ts";
import { standsAnybodyIn } from "../../src/host/run-tree.ts";
import type { LaunchOrder, LiveRun } from "../../src/supervisor/host.ts";
import { eventually } from "../support/eventually.ts";
import { findProcesses } from "../support/find-processes.ts";
import { isAlive } from "../support/specs.ts";
import { plainSpec } from "../support/supervised.ts";
import { makeTempDir } from "../support/temp-dir.ts";

it("a shim whose pmd was killed before it had told it anything is let go by the next one, and its run is lost", async () => {
  await using rig = new HostRig();
  const directory = join(rig.runtimeDir, "runs", "run1");
  mkdirSync(directory);
  const maker = spawn("/bin/sh", [resolve("src/host/shim.sh"), join(rig.runtimeDir, "runs"), ""], { detached: true });
  maker.stdin.end("run1\n");
  await once(maker.stdout, "data");
  const logs = { stdout: "/dev/null", stderr: "/dev/null", rotateBytes: 0, backups: 0 };
  const { definition, ...order } = rig.order("run1", "exit 7");
  writeFileSync(join(directory, "spec.json"), JSON.stringify({ ...order, bootId: readBootId(), startedAt: 0, cgroup: "", logs, definition }));
  writeFileSync(join(directory, "order"), "exit 7\n");
  // It waits for somebody to hold the other end of its FIFO, and would for ever.
  const run = rig.adopt("run1");
  expect(await run.gone).toMatchObject({ kind: "lost" });
  await eventually(() => !standsAnybodyIn(directory));
});

it("a runtime directory that is reached by a symbolic link is the same, and no shim in it is taken for lost", async () => {
  await using rig = new HostRig("link");
  const run = rig.launch("run1", "until [ -e go ]; do sleep 0.01; done; exit 7");
  await eventually(() => run.live.pid !== undefined);
  // Looked at again, as after five seconds.
  rig.touch("run1");
  await eventually(() => existsSync(join(rig.runtimeDir, "runs", "run1", "touched")));
  expect(run.live.shimLost).toBe(false);
  const again = rig.adopt("run1");
  await eventually(() => again.live.pid !== undefined);
  expect(again.live.shimLost).toBe(false);
  writeFileSync(join(rig.root, "go"), "");
  expect(await again.gone).toMatchObject({ kind: "ended", status: 7 });
});

it("after the shell that makes shims was killed, the next starts fail or succeed, and then all succeed", async () => {
  await using rig = new HostRig();
  const first = rig.launch("first", "exit 3");
  expect(await first.gone).toMatchObject({ kind: "ended", status: 3 });
  const makers = listPids().filter((pid) => readStat(pid)?.parent === process.pid && runsShim(pid));
  expect(makers).toHaveLength(1);
  for (const maker of makers) process.kill(maker, "SIGKILL");
  const next = Array.from({ length: 20 }, (_, at) => rig.launch(`next${at}`, "exit 4"));
  for (const exit of await Promise.all(next.map(({ gone }) => gone))) {
    expect(exit).toSatisfy(({ kind, message = "", status }) => (kind === "ended" ? status === 4 : /^cannot make shims/.test(message)));
  }
  const last = Array.from({ length: 20 }, (_, at) => rig.launch(`last${at}`, "exit 5"));
  for (const { gone } of last) expect(await gone).toMatchObject({ kind: "ended", status: 5 });
});

it.each([
  ["is cancelled", (run: LiveRun) => run.kill()],
  ["fails", () => undefined],
])("a start that %s leaves no shim waiting for ever", async (_, interfere) => {
  await using rig = new HostRig();
  const host = rig.host();
  rmSync(join(rig.runtimeDir, "runs"), { recursive: true });
  const runs = Array.from({ length: 20 }, (_, i) => rig.launch(`run${i}`, "sleep 1000", host));
  for (const { live } of runs) interfere(live);
  for (const { gone } of runs) expect(await gone).toMatchObject({ kind: "spawn-failed" });
  await host.close();
  const spares = join(rig.runtimeDir, "spare");
  await eventually(() => readdirSync(spares).length === 0 && findProcesses([spares]).length === 0);
});

it("the end of a run that has lost its shim is told by its cgroup, and nobody has to look", async ({ skip }) => {
  await using rig = new HostRig();
  const host = rig.host("auto");
  if (!host.cgroups.available) return skip("there are no cgroups");
  const run = rig.launch("run1", "exec sleep 1000", host);
  await eventually(() => run.live.pid !== undefined);
  const shim = await eventually(() => findProcesses([join(rig.runtimeDir, "runs")]).find(({ command }) => command.includes("shim-")));
  process.kill(shim.pid, "SIGKILL");
  await eventually(() => !isAlive(shim.pid));
  // Once, so that nothing of it is left to stir when the run ends.
  rig.touch("run1");
  await eventually(() => run.live.shimLost);
  vi.useFakeTimers({ toFake: ["setTimeout"] });
  try {
    run.live.kill();
    expect(await run.gone).toMatchObject({ kind: "lost" });
  } finally {
    vi.useRealTimers();
  }
  for (const end of ["out.eof", "err.eof"]) writeFileSync(join(rig.runtimeDir, "runs", "run1", end), "");
  host.forget("run1");
  await eventually(() => run.live.cgroup !== undefined && !existsSync(run.live.cgroup));
});

/** A host without a pump, on a directory of its own. */
class HostRig implements AsyncDisposable {
  readonly #dir = makeTempDir();
  readonly root = this.#dir.path;
  readonly runtimeDir: string;
  readonly #hosts: PosixHost[] = [];

  constructor(by: "path" | "link" = "path") {
    const real = join(this.root, "run");
    mkdirSync(real);
    this.runtimeDir = by === "path" ? real : join(this.root, "link");
    if (by === "link") symlinkSync(real, this.runtimeDir);
    mkdirSync(join(real, "runs"));
  }

  order(runId: string, line: string): LaunchOrder {
    const { process, ...spec } = plainSpec();
    const command = { argv: [], shell: line, args: [] };
    const definition = { spec: { ...spec, process: { ...process, command, workingDirectory: this.root } }, source: "" };
    const place = { namespace: "default", service: "web", index: 0, instances: 1, generation: 1, ports: [] };
    return { runId, ...place, stdoutPath: "/dev/null", stderrPath: "/dev/null", definition };
  }

  launch(runId: string, line: string, host = this.host()) {
    return this.#listen((listener) => host.launch(this.order(runId, line), listener));
  }

  /** As the next pmd does. */
  adopt(runId: string) {
    const host = this.host();
    return this.#listen((listener) => {
      const found = host.findRuns().find(({ order }) => order.runId === runId);
      if (!found) throw new Error(`${runId} was not found`);
      return host.adopt(found, listener);
    });
  }

  touch(runId: string): void {
    writeFileSync(join(this.runtimeDir, "runs", runId, "touched"), "");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const host of this.#hosts) await host.close();
    await eventually(() => {
      const left = findProcesses([this.root]);
      for (const { pid } of left) process.kill(pid, "SIGKILL");
      return left.length === 0;
    });
    await this.#dir[Symbol.asyncDispose]();
  }

  host(cgroups: "auto" | "off" = "off"): PosixHost {
    const host = new PosixHost({ runtimeDir: this.runtimeDir, id: basename(this.root), cgroups, log: () => undefined });
    this.#hosts.push(host);
    return host;
  }

  #listen(begin: (listener: Parameters<PosixHost["launch"]>[1]) => LiveRun) {
    const gone = Promise.withResolvers<RunExit>();
    const live = begin({ spawned: () => undefined, orphaned: () => undefined, gone: gone.resolve });
    return { live, gone: gone.promise };
  }
}
