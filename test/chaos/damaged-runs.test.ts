import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { startDaemon } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { History, witnesses } from "../support/history.ts";
import { ProcessTree } from "../support/process-tree.ts";
import { listRunDirectories } from "../support/run-directories.ts";
import { isAlive, isRunning, shell } from "../support/specs.ts";

interface Damage {
  readonly directory: string;
  /** A process that is nobody's, and leads a session. */
  readonly bystander: number;
}

/** What is done to the directory of a run while pmd is away. */
const damages: [what: string, damage: (damage: Damage) => void][] = [
  ["spec.json is missing", ({ directory }) => rmSync(join(directory, "spec.json"))],
  ["spec.json is empty", ({ directory }) => truncateSync(join(directory, "spec.json"))],
  ["spec.json is cut", ({ directory }) => truncateSync(join(directory, "spec.json"), 100)],
  ["spec.json is JSON of something else", write("spec.json", "null")],
  ["spec.json lacks nearly everything", ({ directory }) => keepOnly(directory, ["runId"])],
  ["spec.json lacks the spec", ({ directory }) => keepOnly(directory, ["runId", "service", "namespace", "index", "bootId", "logs", "cgroup"])],
  ["spec.json is of another run", write("spec.json", '{"runId":"other","definition":{}}')],
  ["spec.json is a directory", ({ directory }) => replaceByDirectory(join(directory, "spec.json"))],
  ["pid is missing", ({ directory }) => rmSync(join(directory, "pid"))],
  ["pid is no number", write("pid", "x\n")],
  ["pid is larger than any", write("pid", "99999999999999\n")],
  ["pid is somebody else's", ({ directory, bystander }) => writeFileSync(join(directory, "pid"), `${bystander}\n`)],
  ["shim is missing", ({ directory }) => rmSync(join(directory, "shim"))],
  ["shim is no number", write("shim", "\0\0\n")],
  ["shim is somebody else's", ({ directory, bystander }) => writeFileSync(join(directory, "shim"), `${bystander}\n`)],
  ["exit is no number", write("exit", "-\n")],
  ["exit is larger than any", write("exit", "99999999999999\n")],
  ["exit is there while it lives", write("exit", "3\n")],
  ["the FIFOs are missing", ({ directory }) => removeAll(directory, ["out", "err", "ack", "go"])],
  ["everything but spec.json is missing", ({ directory }) => removeAll(directory, ["out", "err", "ack", "go", "order", "shim", "pid"])],
  ["everything but a FIFO is missing", ({ directory }) => removeAll(directory, ["err", "ack", "go", "order", "shim", "pid", "spec.json"])],
];

describe.each(["auto", "off"])("with cgroups %s", (cgroups) => {
  it.each(["lives", "has ended"])(
    "a run directory is damaged while pmd is away and the service %s: pmd starts, the service runs once, and nobody else is hurt",
    async (condition) => {
      await using daemon = await startDaemon({ args: ["--cgroups", cgroups] });
      await using bystander = await ProcessTree.start("echo ready; sleep 1000");
      const history = new History(daemon);
      const client = daemon.client(SupervisorService);
      // Where nobody knows any more whom to ask, KILL comes soon.
      const patience = { stop: { grace: { nanos: 200_000_000 } } };
      const names = damages.map((_, at) => `service${at}`);
      for (const name of names) await client.createService({ name, spec: shell(daemon, witnesses.lasting, { process: patience }) });
      await daemon.kill9();
      for (const { service, run, directory, pid, shim } of listRunDirectories(daemon.runtimeDir)) {
        if (condition === "has ended") {
          for (const ended of [shim ?? 0, pid ?? 0]) process.kill(ended, "SIGKILL");
          await eventually(() => !isAlive(pid ?? 0) && !isAlive(shim ?? 0));
        }
        history.add({ type: "killed", run, what: "shim" });
        damages[names.indexOf(service)]?.[1]({ directory, bystander: bystander.pid });
      }
      await daemon.start();
      for (const [at, name] of names.entries()) {
        // One that is over may be taken for running until its shim has been silent for too long.
        const runs = async () => (await isRunning(daemon, name)) && mainPids(history, name).filter(isAlive).length > 0;
        await eventually(runs).catch(() => undefined);
        const pids = mainPids(history, name).filter(isAlive);
        history.add({ type: "wanted", instance: damages[at]?.[0] ?? name, count: 1, pids });
      }
      await client.stopServices({ selector: { all: true } });
      for (const [at, name] of names.entries()) {
        for (const pid of mainPids(history, name).filter(isAlive)) history.add({ type: "left", what: `${pid} (${damages[at]?.[0]})` });
      }
      if (bystander.pids().length !== 2) history.add({ type: "bystander-died", pid: bystander.pid });
      expect(await history.violations()).toEqual([]);
    },
  );
});

/** Of all its lives. */
function mainPids(history: History, service: string): number[] {
  return history.written().flatMap((fact) => (fact.type === "began" && fact.instance === `${service}#0` ? [fact.pid] : []));
}

function write(file: string, text: string): (damage: Damage) => void {
  return ({ directory }) => writeFileSync(join(directory, file), text);
}

function keepOnly(directory: string, fields: readonly string[]): void {
  const path = join(directory, "spec.json");
  const spec = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  writeFileSync(path, JSON.stringify(Object.fromEntries(Object.entries(spec).filter(([field]) => fields.includes(field)))));
}

function replaceByDirectory(path: string): void {
  rmSync(path);
  mkdirSync(path);
}

function removeAll(directory: string, files: readonly string[]): void {
  for (const file of files) rmSync(join(directory, file));
}
