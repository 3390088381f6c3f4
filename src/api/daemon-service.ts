import { hostname, release, type as systemName } from "node:os";
import type { ServiceImpl } from "@connectrpc/connect";
import type { DaemonService } from "../../gen/pm/v1/daemon_service_pb.ts";
import type { TargetView } from "../supervisor/view.ts";
import { fromTarget } from "./convert-status.ts";
import { fromWallTime, toMsOr } from "./convert-time.ts";

/** Stopping all services takes no longer than this unless the caller says so. */
const stopAllMs = 60_000;

/** What the daemon knows of itself: the composition root answers. */
export interface Daemon {
  readonly version: string;
  readonly startedAt: number;
  readonly bootId: string;
  readonly stateDir: string;
  readonly runtimeDir: string;
  readonly logDir: string;
  readonly socket: string;
  readonly config: string;
  readonly logFile: string;
  capabilities(): { readonly id: string; readonly available: boolean; readonly detail: string }[];
  problems(): { readonly reason: string; readonly message: string }[];
  counts(): { readonly services: number; readonly instancesRunning: number; readonly adopted: number };
  pumpPid(): number;
  stopServices(timeoutMs: number, signal: AbortSignal): Promise<TargetView[]>;
  /** Ends pmd, soon: the answer to the call goes out first. */
  end(): void;
}

export function daemonService(daemon: Daemon): ServiceImpl<typeof DaemonService> {
  return {
    getInfo() {
      const { version, bootId, stateDir, runtimeDir, logDir, socket, config, logFile } = daemon;
      return {
        version,
        bootId,
        stateDir,
        runtimeDir,
        logDir,
        socket,
        logFile,
        configFile: config,
        pid: process.pid,
        startTime: fromWallTime(daemon.startedAt),
        runtime: `node ${process.version}`,
        hostname: hostname(),
        kernel: `${systemName()} ${release()} ${process.arch}`,
        capabilities: daemon.capabilities(),
        problems: daemon.problems(),
        pumpPid: daemon.pumpPid(),
        memoryBytes: BigInt(process.memoryUsage.rss()),
        ...daemon.counts(),
      };
    },

    async shutdown({ stopServices, timeout }, { signal }) {
      const results = stopServices ? await daemon.stopServices(toMsOr(timeout, stopAllMs), signal) : [];
      // What could not be stopped is still to be looked after.
      if (results.every(({ outcome }) => outcome !== "failed")) daemon.end();
      return { results: results.map(fromTarget) };
    },
  };
}
