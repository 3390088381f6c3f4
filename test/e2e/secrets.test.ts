import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { isRunning, named, shell } from "../support/specs.ts";

const secret = "canary-4711";

it("what a variable refers to reaches the process, and nothing that pmd keeps or says", async () => {
  await using daemon = await startDaemon();
  const client = daemon.client(SupervisorService);
  writeFileSync(join(daemon.root, "key"), `${secret}\n`);
  await client.createService({ name: "web", spec: reader(daemon, "@file://key") });
  await eventually(() => readIfThere(join(daemon.root, "got")) === secret);

  const { service } = await client.getService({ name: "web", revealEnvironment: true });
  expect(service?.spec?.process?.environment?.vars.KEY).toBe("@file://key");
  const { stdout: events } = await daemon.pmctl(["events", "--json"]);
  expect(events).toContain("web");
  expect(events).not.toContain(secret);
  await daemon.kill9();
  await daemon.start();
  await eventually(() => isRunning(daemon, "web"));
  const files = [daemon.stateDir, daemon.logDir, daemon.runtimeDir, join(daemon.root, "pmd.log")].flatMap(filesBelow);
  expect(files.length).toBeGreaterThan(3);
  // What the shim is to do has it, as the environment of the process does: for pmd's user alone, and until the run is over.
  expect(files.filter((path) => readFileSync(path).includes(secret)).map((path) => path.replace(/.*\//, ""))).toEqual(["order"]);
});

it("a start without what a variable refers to fails with the variable, the path and the way out", async () => {
  await using daemon = await startDaemon();
  const client = daemon.client(SupervisorService);
  await expect(client.createService({ name: "web", spec: reader(daemon, "@file://key") })).rejects.toThrow(
    `cannot start web: variable KEY: ${daemon.root}/key: no such file; make it, or write @@file:// for a value that is to begin so`,
  );
  writeFileSync(join(daemon.root, "key"), secret);
  await client.createService({ name: "web", spec: reader(daemon, "@file://key") });
  expect(await isRunning(daemon, "web")).toBe(true);
});

it("a service stops though its stop command cannot be told what a variable refers to any more", async () => {
  await using daemon = await startDaemon();
  const client = daemon.client(SupervisorService);
  writeFileSync(join(daemon.root, "key"), secret);
  const stop = { command: { shell: "kill $PM_PID" }, grace: { nanos: 100_000_000 } };
  await client.createService({ name: "web", spec: reader(daemon, "@file://key", { stop }) });
  rmSync(join(daemon.root, "key"));
  await client.stopServices({ selector: named("web") });
  expect(await isRunning(daemon, "web")).toBe(false);
});

function reader(daemon: TestDaemon, value: string, more: object = {}) {
  const environment = { vars: { ...daemon.mark, KEY: value } };
  return shell(daemon, `printf %s "$KEY" >got; exec sleep 1000`, { process: { environment, ...more } });
}

function filesBelow(path: string): string[] {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats?.isFile()) return [path];
  return stats?.isDirectory() ? readdirSync(path).flatMap((name) => filesBelow(join(path, name))) : [];
}

function readIfThere(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}
