import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { pmdCommand, startDaemon, type TestDaemon } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { shell } from "../support/specs.ts";

const small = { process: { logs: { rotate: { size: 65_536n, backups: 1000 } } } };
const most = 60_000;
const countAndWait = `i=0; while [ $i -lt ${most} ]; do i=$((i+1)); echo $i; done; echo END >&2; exec sleep 1000`;

it("with pmd killed, all that was written can be read: what was set aside and compressed too", async () => {
  await using daemon = await startDaemon();
  await daemon.client(SupervisorService).createService({ name: "web", spec: shell(daemon, countAndWait, small) });
  const names = () => readdirSync(join(daemon.logDir, "web"));
  await eventually(async () => (await daemon.pmctl(["logs", "web", "--stderr"])).stdout === "END\n");
  await eventually(() => names().filter((name) => /^out\.log\.\d+\.zst$/.test(name)).length > 2);
  await daemon.kill9();
  const all = await pmdLogs(daemon, ["web", "--stdout", "-n", "all"]);
  expect(all).toMatchObject({ code: 0, stderr: "" });
  expect(all.stdout === `${Array.from({ length: most }, (_, at) => at + 1).join("\n")}\n`).toBe(true);
  expect(await pmdLogs(daemon, ["web", "-n", "2", "--stdout"])).toMatchObject({ code: 0, stdout: `${most - 1}\n${most}\n` });
  expect(await pmdLogs(daemon, ["web#0", "--grep", "end", "-i", "-t"])).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^\d{4}-\S+Z END\n$/),
  });
  expect(await pmdLogs(daemon, ["web", "--until", "1d"])).toMatchObject({ code: 0, stdout: "" });
  const list = await pmdLogs(daemon, []);
  expect(list.stdout.split("\n").map((line) => line.split(/ +/).slice(0, 2))).toEqual([
    ["NAME", "STREAM"],
    ["web#0", "stdout"],
    ["web#0", "stderr"],
    [""],
  ]);
});

it("beside a running pmd, it finds services in namespaces, their instances, and files at places of their own", async () => {
  await using daemon = await startDaemon();
  const client = daemon.client(SupervisorService);
  await client.createService({ namespace: "prod", name: "web", spec: shell(daemon, "echo one; exec sleep 1000", { instances: 2 }) });
  const own = { process: { logs: { stdout: "mine.txt" } } };
  await client.createService({ name: "own", spec: shell(daemon, "echo mine; exec sleep 1000", own) });
  await eventually(async () => (await linesOf(daemon, "prod/web")).join() === "prod/web#0 | one,prod/web#1 | one");
  expect(await pmdLogs(daemon, ["prod/web#1"])).toMatchObject({ code: 0, stdout: "one\n" });
  await eventually(async () => (await linesOf(daemon, "own")).join() === "mine");
  expect(existsSync(join(daemon.root, "mine.txt"))).toBe(true);
});

it("says what is wrong, with a guess, and by its exit code", async () => {
  await using daemon = await startDaemon();
  await daemon.client(SupervisorService).createService({ name: "web", spec: shell(daemon, "echo hello; exec sleep 1000") });
  await eventually(async () => (await pmdLogs(daemon, ["web"])).stdout === "hello\n");
  expect(await pmdLogs(daemon, ["wbe"])).toMatchObject({
    code: 4,
    stdout: "",
    stderr: expect.stringMatching(/no logs of "wbe" .*did you mean web\?/),
  });
  expect(await pmdLogs(daemon, ["web#7"])).toMatchObject({ code: 4, stderr: expect.stringMatching(/web#0/) });
  expect(await pmdLogs(daemon, ["web", "--since", "soon"])).toMatchObject({ code: 2, stderr: expect.stringMatching(/--since soon: .*10m/) });
  expect(await pmdLogs(daemon, ["web", "-x"])).toMatchObject({ code: 2 });
});

it("ends quietly when nobody reads any more", async () => {
  await using daemon = await startDaemon();
  await daemon.client(SupervisorService).createService({ name: "web", spec: shell(daemon, countAndWait) });
  await eventually(async () => (await pmdLogs(daemon, ["web", "--stderr"])).stdout === "END\n");
  const command = [...pmdCommand, "logs", "web", "--stdout", "-n", "all", ...places(daemon)].join(" ");
  const outcome = await daemon.run(["bash", "-o", "pipefail", "-c", `${command} | head -1`]);
  expect(outcome).toEqual({ code: 0, stdout: "1\n", stderr: "" });
});

it("makes escape sequences harmless on a terminal, and leaves the bytes alone elsewhere and with --raw", async () => {
  await using daemon = await startDaemon();
  const line = "printf 'a\\033]0;title\\007b\\n'; exec sleep 1000";
  await daemon.client(SupervisorService).createService({ name: "web", spec: shell(daemon, line) });
  await eventually(async () => (await pmdLogs(daemon, ["web"])).stdout === "a\u001b]0;title\u0007b\n");
  const onTerminal = (more: string) => daemon.run(["script", "-qec", [...pmdCommand, "logs", "web", ...places(daemon), more].join(" "), "/dev/null"]);
  expect(await onTerminal("")).toMatchObject({ code: 0, stdout: "a^[]0;title^Gb\r\n" });
  expect(await onTerminal("--raw")).toMatchObject({ code: 0, stdout: "a\u001b]0;title\u0007b\r\n" });
});

/** Of two instances either may be the first. */
async function linesOf(daemon: TestDaemon, name: string): Promise<string[]> {
  const { stdout } = await pmdLogs(daemon, [name]);
  return stdout.trimEnd().split("\n").sort();
}

function pmdLogs(daemon: TestDaemon, args: readonly string[]) {
  return daemon.run([...pmdCommand, "logs", ...args, ...places(daemon)]);
}

function places(daemon: TestDaemon): string[] {
  return ["--log-dir", daemon.logDir, "--runtime-dir", daemon.runtimeDir];
}
