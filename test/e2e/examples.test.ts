import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync } from "node:fs";
import { expect, it } from "vitest";
import { State } from "../../gen/pm/v1/common_pb.ts";
import { EventService, EventType } from "../../gen/pm/v1/event_service_pb.ts";
import { ExitRecord_Cause as Cause } from "../../gen/pm/v1/process_pb.ts";
import { RestartPolicy_Mode } from "../../gen/pm/v1/service_pb.ts";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { startDaemon } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { fencedBlocks } from "../support/fenced-blocks.ts";
import { freePort } from "../support/free-port.ts";
import { runProgram } from "../support/run-program.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const node = process.execPath;

it("client-typescript makes a service, follows it, meets an error and deletes it", async () => {
  await using daemon = await startDaemon();
  const { code, stdout, stderr } = await runProgram([node, "examples/client-typescript/main.ts", daemon.socket]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout.split("\n")).toEqual([
    "greeter is ready: 1 of 1",
    "default/greeter#0: hello 1",
    "default/greeter#0: hello 2",
    "default/greeter#0: hello 3",
    'NOT_FOUND: no service is named "nobody"',
    "greeter is gone",
    "",
  ]);
});

it("client-grpc-js sees services come and go until it is interrupted", async () => {
  await using daemon = await startDaemon();
  const supervisor = daemon.client(SupervisorService);
  const watcher = spawn(node, ["examples/client-grpc-js/main.ts", daemon.socket], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  watcher.stdout.setEncoding("utf8").on("data", (text) => {
    output += text;
  });
  await eventually(() => output.includes("that is all for now\n"));
  await supervisor.createService({ name: "web", spec: { process: { command: { shell: "exec sleep 1000" } }, start: { settle: {} } } });
  await eventually(() => output.includes("web is running\n"));
  await supervisor.deleteServices({ selector: { names: ["web"] } });
  await eventually(() => output.includes("default/web is gone\n"));
  watcher.kill("SIGINT");
  expect(await once(watcher, "exit")).toEqual([0, null]);
});

it("client-curl restarts what has failed, and only that", async () => {
  await using daemon = await startDaemon();
  const supervisor = daemon.client(SupervisorService);
  const script = () => runProgram(["examples/client-curl/restart-failed.sh", daemon.socket]);
  expect(await script()).toEqual({ code: 0, stdout: "nothing has failed\n", stderr: "" });

  const onlyOnce = { process: { command: { shell: "mkdir seen && exit 3; exec sleep 1000" } }, restart: { policy: RestartPolicy_Mode.NEVER } };
  await supervisor.createService({ name: "fragile", spec: onlyOnce }).catch(() => undefined); // that it failed is the point
  await eventually(async () => {
    const { service } = await supervisor.getService({ name: "fragile" });
    return service?.status?.state === State.FAILED;
  });
  expect(await script()).toEqual({ code: 0, stdout: "default/fragile: STATE_RUNNING\n", stderr: "" });
  expect(await script()).toEqual({ code: 0, stdout: "nothing has failed\n", stderr: "" });
});

it("systemd accepts the unit, without a warning", async () => {
  const { code, stdout, stderr } = await runProgram(["systemd-analyze", "verify", "--man=no", "examples/systemd/pmd.service"]);
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "", stderr: "" });
});

it("web-and-database: web waits for its database, comes back with it, and the commands of its README work", { timeout: 180_000 }, async () => {
  await using dir = makeTempDir();
  cpSync("examples/web-and-database", dir.path, { recursive: true });
  const ports = [await freePort(), await freePort()];
  const web = Math.max(...ports) + 1;
  await using daemon = await startDaemon({ env: { DB_PORT: String(ports[0]), WEB_PORTS: `${web}-${web + 1}` } });
  const moved = (text: string) =>
    text
      .replaceAll("examples/web-and-database", dir.path)
      .replaceAll("8712", String(web))
      .replaceAll("8713", String(web + 1));
  const [block = ""] = fencedBlocks("examples/web-and-database/README.md", "sh");
  const run = await daemon.run(["bash", "-e", "-o", "pipefail", "-c", moved(block)], { cwd: process.cwd(), timeoutMs: 150_000 });
  expect(run).toMatchObject({ code: 0 });
  expect(run.stdout).toMatch(/visit 1, at instance 0\n.*visit 2, at instance 1\n.*visit 3, at instance 0\n/s);
  const { events } = await daemon.client(EventService).listEvents({ filter: { types: [EventType.RUN_ENDED] } });
  expect(events.filter(({ subject }) => subject.startsWith("default/web#")).map(({ exit }) => exit?.cause)).toEqual(
    Array.from({ length: 4 }, () => Cause.DEPENDENCY),
  );
});
