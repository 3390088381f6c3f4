import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { DaemonService } from "../../gen/pm/v1/daemon_service_pb.ts";
import { LogGap_Reason as GapReason, LogService, LogStream } from "../../gen/pm/v1/log_service_pb.ts";
import { LogRotation_Compression } from "../../gen/pm/v1/process_pb.ts";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { pumpStatus } from "../../src/logs/pump-client.ts";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { named, shell } from "../support/specs.ts";

const total = 200 * 1024;
// Packed, these lines would take next to nothing.
const rotate = { size: 32_768n, backups: 1000, compress: LogRotation_Compression.NONE };

it("--log-total holds for all logs together, also of services that were deleted, and after the pump was killed", async () => {
  await using daemon = await startDaemon({ args: ["--log-total", "200KiB"] });
  const services = daemon.client(SupervisorService);
  const logs = daemon.client(LogService);
  const spec = (script: string) => shell(daemon, script, { process: { logs: { rotate } } });
  await services.createService({ name: "gone", spec: spec("seq 100000000 100009999; exec sleep 1000") });
  const gone = join(daemon.logDir, "gone/out.log");
  const filter = { selector: named("gone"), streams: [LogStream.STDOUT] };
  await eventually(async () => (await logs.readLogs({ filter, tail: 1 })).entries[0]?.content.value === "100009999");
  const { cursor } = await logs.readLogs({ filter, maxEntries: 1 });
  await services.stopServices({ selector: named("gone") });

  const endless = "i=0; while :; do i=$((i+1)); seq 100000000 100000999; [ $i -gt 100 ] && sleep 0.05; done";
  await services.createService({ name: "web", spec: spec(endless) });
  await daemonKeepsTo(daemon);
  const { gaps } = await logs.readLogs({ filter, cursor });
  expect(gaps).toMatchObject([{ reason: GapReason.ROTATED_AWAY }]);
  await services.deleteServices({ selector: named("gone") });

  const { pumpPid } = await daemon.client(DaemonService).getInfo({});
  process.kill(pumpPid, "SIGKILL");
  await eventually(async () => {
    const status = await pumpStatus(daemon.runtimeDir);
    return status !== undefined && status.pid !== pumpPid && status.logTotalBytes === total;
  });
  await daemonKeepsTo(daemon);
  expect(statSync(gone).size).toBeGreaterThan(0);

  // It is the limit of the pump, and not of the pmd that has told it.
  await daemon.kill9();
  await daemonKeepsTo(daemon);
  expect(await pumpStatus(daemon.runtimeDir)).toMatchObject({ logTotalBytes: total });
  await daemon.start();
  await services.stopServices({ selector: named("web") });
  await eventually(() => bytesIn(daemon.logDir) <= total);
});

/** Files go on to be set aside, twice as many as there is room for, and all the time there are not more than fit. */
async function daemonKeepsTo({ logDir }: TestDaemon): Promise<void> {
  const newest = () => Math.max(0, ...readdirSync(join(logDir, "web")).flatMap((name) => Number(/\.(\d{15})/.exec(name)?.[1] ?? 0)));
  await eventually(() => existsSync(join(logDir, "web")));
  const before = newest();
  await eventually(() => newest() > before + 2 * total, { timeoutMs: 60_000 });
  await eventually(() => bytesIn(logDir) <= total);
}

/** A file may go while it is asked for. */
function bytesIn(directory: string): number {
  return readdirSync(directory, { recursive: true, encoding: "utf8" }).reduce((sum, name) => {
    const stat = statSync(join(directory, name), { throwIfNoEntry: false });
    return sum + (stat?.isFile() ? stat.size : 0);
  }, 0);
}
