import { copyFileSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, it } from "vitest";
import { DaemonService } from "../../gen/pm/v1/daemon_service_pb.ts";
import { EventService, EventType } from "../../gen/pm/v1/event_service_pb.ts";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { pmdCommand, startDaemon } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { getService, isRunning, pidOf, shell } from "../support/specs.ts";

it("a damaged store is set aside, said aloud, and what runs is taken over all the same", async () => {
  await using daemon = await startDaemon();
  const client = daemon.client(SupervisorService);
  await client.createService({ name: "web", spec: shell(daemon, "exec sleep 1000", { labels: { tier: "web" } }) });
  await client.scaleService({ name: "web", instances: 3 });
  const pids = (await getService(daemon, "web")).status?.instances.map(({ run }) => run?.pid);
  await daemon.kill9();
  const file = join(daemon.stateDir, "pmd.db");
  writeFileSync(file, "this is no database, and was one a moment ago".repeat(100));
  await daemon.start();
  await eventually(() => isRunning(daemon, "web"));
  const service = await getService(daemon, "web");
  expect(service.status?.instances.map(({ run }) => run?.pid)).toEqual(pids);
  expect(service.spec?.labels).toEqual({ tier: "web" });
  const aside = readdirSync(daemon.stateDir).filter((name) => name.startsWith("pmd.db.damaged"));
  expect(aside.length).toBeGreaterThan(0);
  expect((await daemon.client(DaemonService).getInfo({})).problems.map(({ reason }) => reason)).toContain("STORE_RESET");
  const { events } = await daemon.client(EventService).listEvents({ filter: { types: [EventType.STORE_RESET] } });
  expect(events.length).toBe(1);
});

it("a store cut short at any place leaves services running, and none twice", async () => {
  await using daemon = await startDaemon();
  await daemon.client(SupervisorService).createService({ name: "web", spec: shell(daemon, "exec sleep 1000") });
  const pid = await pidOf(daemon, "web");
  await daemon.stop();
  const file = join(daemon.stateDir, "pmd.db");
  copyFileSync(file, join(daemon.root, "whole.db"));
  const { length } = readFileSync(file);
  for (const part of [0, 0.3, 0.7, 0.99]) {
    copyFileSync(join(daemon.root, "whole.db"), file);
    truncateSync(file, Math.floor(length * part));
    await daemon.start();
    await eventually(() => isRunning(daemon, "web"));
    expect(await pidOf(daemon, "web")).toBe(pid);
    await daemon.stop();
  }
  await daemon.start();
});

it("a store of a newer pmd is refused, and stays as it is", async () => {
  await using daemon = await startDaemon();
  await daemon.stop();
  const file = join(daemon.stateDir, "pmd.db");
  const database = new DatabaseSync(file);
  const { user_version: version } = database.prepare("PRAGMA user_version").get() as { user_version: number };
  database.exec("PRAGMA journal_mode = DELETE; PRAGMA user_version = 999");
  database.close();
  const before = readFileSync(file);
  await expect(daemon.start()).rejects.toThrow(/999/);
  expect(readFileSync(file).equals(before)).toBe(true);
  new DatabaseSync(file).exec(`PRAGMA user_version = ${version}`);
});

it("two on one state directory: the second says who is there, and touches nothing", async () => {
  await using daemon = await startDaemon();
  const dirs = ["--state-dir", daemon.stateDir, "--runtime-dir", join(daemon.root, "other"), "--log-dir", daemon.logDir];
  const { code, stderr } = await daemon.run([...pmdCommand, ...dirs, "--socket", daemon.socket]);
  expect(code).toBe(1);
  expect(stderr).toContain(`is in use by another pmd (pid ${daemon.pid}), which serves on ${daemon.socket}`);
  await daemon.client(DaemonService).getInfo({});
});
