import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ConfigService } from "../../gen/pm/v1/config_service_pb.ts";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { getService, isAlive, isRunning, pidOf, shell } from "../support/specs.ts";

/** A file in which every service is a line of YAML, with the mark of the test, that counts as running soon. */
function writeFile(daemon: TestDaemon, services: Readonly<Record<string, string>>): string {
  const file = join(daemon.root, "pm.yaml");
  const env = Object.entries(daemon.mark).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  const settling = (fields: string) => (fields.includes("start:") ? "" : "start: { settle: 20ms }, ");
  const lines = Object.entries(services).map(([name, fields]) => `  ${name}: { env: { ${env} }, ${settling(fields)}${fields} }`);
  writeFileSync(file, ["version: 1", "services:", ...lines, ""].join("\n"));
  return file;
}

async function pidsByName(daemon: TestDaemon): Promise<Map<string, number>> {
  const { services } = await daemon.client(SupervisorService).listServices({});
  return new Map(services.map(({ name, status }) => [name, status?.instances[0]?.run?.pid ?? 0]));
}

it("of 200 services of which 3 change, 197 keep their pids", { timeout: 180_000 }, async () => {
  await using daemon = await startDaemon();
  const names = Array.from({ length: 200 }, (_, n) => `s${String(n).padStart(3, "0")}`);
  const services = Object.fromEntries(names.map((name) => [name, "command: exec sleep 1000"]));
  const file = writeFile(daemon, services);
  expect(await daemon.pmctl(["apply", "-f", file], { timeoutMs: 120_000 })).toMatchObject({ code: 0 });
  const before = await pidsByName(daemon);
  expect([...before.values()].filter((pid) => pid > 0).length).toBe(200);

  const changed = { s007: "command: exec sleep 1001", s100: "command: exec sleep 1001", s199: "command: exec sleep 1001" };
  writeFile(daemon, { ...services, ...changed });
  const diff = await daemon.pmctl(["diff", "-f", file]);
  expect(diff.code).toBe(10);
  expect(diff.stdout.split("\n").slice(0, 4)).toEqual([
    ...Object.keys(changed).map((name) => `~ ${name}  restart  command exec sleep 1000 → exec sleep 1001`),
    "197 services are as the file says",
  ]);
  const applied = await daemon.pmctl(["apply", "-f", file], { timeoutMs: 120_000 });
  expect(applied).toMatchObject({ code: 0 });
  expect(applied.stdout).toMatch(/~ s007 {2}restarted, running \(pid \d+\) {2}command exec sleep 1000 → exec sleep 1001/);
  const after = await pidsByName(daemon);
  const replaced = names.filter((name) => after.get(name) !== before.get(name));
  expect(replaced).toEqual(Object.keys(changed));
  for (const name of replaced) expect(isAlive(before.get(name) ?? 0)).toBe(false);
  expect(await daemon.pmctl(["diff", "-f", file])).toMatchObject({ code: 0, stdout: "200 services are as the file says\n" });
});

it("what the file does not have any more is dead and forgotten when apply --prune returns", async () => {
  await using daemon = await startDaemon();
  const file = writeFile(daemon, { web: "command: exec sleep 1000", old: "command: 'sleep 1000 & exec sleep 1000'" });
  expect(await daemon.pmctl(["up", "-f", file])).toMatchObject({ code: 0 });
  const pid = await pidOf(daemon, "old");
  writeFile(daemon, { web: "command: exec sleep 1000" });
  expect(await daemon.pmctl(["apply", "-f", file])).toMatchObject({
    code: 0,
    stdout: "= old  not in the file any more: it stays until it is pruned\n1 service is as the file says\n",
  });
  expect(isAlive(pid)).toBe(true);
  expect(await daemon.pmctl(["apply", "-f", file, "--prune"])).toMatchObject({ code: 0, stdout: "- old  deleted\n1 service is as the file says\n" });
  expect(isAlive(pid)).toBe(false);
  expect([...(await pidsByName(daemon)).keys()]).toEqual(["web"]);
});

it("up starts what was stopped, down stops what the file owns and nothing else, also when the file is gone", async () => {
  await using daemon = await startDaemon();
  const file = writeFile(daemon, { web: "command: exec sleep 1000", job: "command: exec sleep 1000, autostart: false" });
  await daemon.client(SupervisorService).createService({ name: "mine", spec: shell(daemon, "exec sleep 1000") });
  expect(await daemon.pmctl(["up", "-f", file])).toMatchObject({ code: 0 });
  const pid = await pidOf(daemon, "web");
  expect(await pidOf(daemon, "job")).toBe(0);
  expect(await daemon.pmctl(["up", "-f", file, "job"])).toMatchObject({ code: 0 });
  expect(await isRunning(daemon, "job")).toBe(true);
  expect(await pidOf(daemon, "web")).toBe(pid);

  rmSync(file);
  expect(await daemon.pmctl(["down", "-f", file])).toMatchObject({ code: 0, stdout: "job  stopped\nweb  stopped\n" });
  expect(isAlive(pid)).toBe(false);
  expect(await isRunning(daemon, "mine")).toBe(true);
  writeFile(daemon, { web: "command: exec sleep 1000" });
  expect(await daemon.pmctl(["apply", "-f", file])).toMatchObject({ code: 0 });
  expect(await isRunning(daemon, "web")).toBe(false);
  expect(await daemon.pmctl(["up", "-f", file])).toMatchObject({ code: 0 });
  expect(await isRunning(daemon, "web")).toBe(true);
  expect(await daemon.pmctl(["down", "-f", file, "--remove"])).toMatchObject({ code: 0 });
  expect([...(await pidsByName(daemon)).keys()]).toEqual(["mine"]);
});

it("one service that fails to start is told, the others are up, and the file has its way all the same", async () => {
  await using daemon = await startDaemon();
  const file = writeFile(daemon, {
    bad: "command: 'echo no luck >&2; exit 3', restart: never, start: { settle: 20s }",
    web: "command: exec sleep 1000",
  });
  const { code, stderr } = await daemon.pmctl(["apply", "-f", file]);
  expect({ code, stderr }).toEqual({ code: 1, stderr: "error: bad#0 exited with code 3 before it was ready\n  | no luck\n" });
  expect(await isRunning(daemon, "web")).toBe(true);
  writeFile(daemon, { bad: "command: exec sleep 1000, restart: never", web: "command: exec sleep 1000" });
  expect(await daemon.pmctl(["apply", "-f", file])).toMatchObject({ code: 0 });
  expect(await isRunning(daemon, "bad")).toBe(true);
});

it("all that is wrong with a file is told with its places, and nothing is changed", async () => {
  await using daemon = await startDaemon();
  const file = join(daemon.root, "pm.yaml");
  writeFileSync(file, "version: 1\nservices:\n  web: { comand: x }\n  api: { command: x, restart: sometimes }\n");
  for (const verb of ["check", "diff", "apply", "up"]) {
    const { code, stderr } = await daemon.pmctl([verb, "-f", file]);
    expect(code).toBe(2);
    expect(stderr).toContain(`${file}:3:10 `);
    expect(stderr).toContain(`${file}:4:`);
  }
  expect(await daemon.pmctl(["check", "-f", join(daemon.root, "absent.yaml")])).toMatchObject({
    code: 2,
    stderr: `error: cannot read ${join(daemon.root, "absent.yaml")}: no such file\n`,
  });
  expect((await pidsByName(daemon)).size).toBe(0);
});

it("a file that a client sends is not read by pmd", async () => {
  await using daemon = await startDaemon();
  const file = writeFile(daemon, { web: "command: exec sleep 1000" });
  const text = readFileSync(file, "utf8");
  rmSync(file);
  await daemon.client(ConfigService).applyConfig({ file: { path: file, text } });
  expect(await getService(daemon, "web")).toMatchObject({ source: file, spec: { process: { workingDirectory: daemon.root } } });
});

it("SIGHUP applies pmd's own file, and one that turned invalid keeps what it said, also over a restart of pmd", async () => {
  await using daemon = await startDaemon();
  const file = writeFile(daemon, { web: "command: exec sleep 1000" });
  await daemon.stop();
  await using own = await startDaemon({ args: ["--config", file] });
  await eventually(() => isRunning(own, "web"));
  const pid = await pidOf(own, "web");

  writeFile(daemon, { web: "command: exec sleep 1000", fresh: "command: exec sleep 1000" });
  process.kill(own.pid, "SIGHUP");
  await eventually(() => isRunning(own, "fresh"));

  writeFileSync(file, "version: 1\nservices:\n  web: { comand: x }\n");
  process.kill(own.pid, "SIGHUP");
  const words = `what it said before holds: ${file}:3:`;
  await eventually(async () => (await own.pmctl(["status", "web"])).stdout.includes(words));
  expect((await own.pmctl(["daemon", "status"])).stdout).toContain(`problem: ${file}:3:10 services.web.comand`);
  expect(await own.pmctl(["reload-config"])).toMatchObject({ code: 2 });
  await own.restart();
  expect((await own.pmctl(["status", "web"])).stdout).toContain(words);
  expect((await own.client(ConfigService).getConfig({})).problems.join("\n")).toContain(`${file}:3:10 services.web.comand`);
  expect(await pidOf(own, "web")).toBe(pid);
  expect(await isRunning(own, "fresh")).toBe(true);

  writeFile(daemon, { web: "command: exec sleep 1001" });
  expect(await own.pmctl(["reload-config", "--prune"])).toMatchObject({ code: 0 });
  expect(await pidOf(own, "web")).not.toBe(pid);
  expect([...(await pidsByName(own)).keys()]).toEqual(["web"]);
  expect((await own.pmctl(["status", "web"])).stdout).not.toContain("not valid");
  expect(existsSync(file)).toBe(true);
});

it("what a file owns is changed over the API only by force, and rolled back as drift", async () => {
  await using daemon = await startDaemon();
  const file = writeFile(daemon, { web: "command: exec sleep 1000" });
  await daemon.pmctl(["apply", "-f", file]);
  writeFile(daemon, { web: "command: exec sleep 1001" });
  await daemon.pmctl(["apply", "-f", file]);
  expect(await daemon.pmctl(["delete", "web"])).toMatchObject({
    code: 7,
    stderr: `error: web belongs to ${file}: change it there, or use force\n`,
  });
  expect(await daemon.pmctl(["start", "--name", "web", "--replace", "--shell", "exec sleep 1002"])).toMatchObject({ code: 7 });
  expect(await daemon.pmctl(["rollback", "web"])).toMatchObject({ code: 0 });
  const history = await daemon.pmctl(["history", "web"]);
  expect(
    history.stdout
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/ {2,}/)),
  ).toEqual([
    ["3", expect.any(String), "rollback to 1", "exec sleep 1000"],
    ["2", expect.any(String), file, "exec sleep 1001"],
    ["1", expect.any(String), file, "exec sleep 1000"],
    [""],
  ]);
  const diff = await daemon.pmctl(["diff", "-f", file]);
  expect(diff).toMatchObject({ code: 10 });
  expect(diff.stdout).toContain("~ web  restart  command exec sleep 1000 → exec sleep 1001; changed by rollback to 1\n");
  expect(await daemon.pmctl(["delete", "web", "--force"])).toMatchObject({ code: 0 });
});
