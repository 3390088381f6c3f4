import { defaults } from "../../src/core/spec.ts";
import type { StoredEvent, StoredExit, StoredRun, StoredService } from "../../src/supervisor/store.ts";

export function service(name: string, more: Partial<StoredService> = {}): StoredService {
  return {
    namespace: "default",
    name,
    spec: {
      process: {
        command: { argv: ["/usr/bin/web"], shell: "", args: ["--port", "80"] },
        workingDirectory: "/srv",
        environment: { vars: { LEVEL: "debug" }, files: [], inherit: false },
        stop: defaults.stop,
        logs: defaults.logs,
      },
      instances: 1,
      autostart: true,
      restart: defaults.restart,
      start: defaults.start,
      labels: {},
      description: "",
    },
    overrides: { stoppedInstances: [] },
    generation: 1,
    processGeneration: 1,
    createdAt: 1000,
    updatedAt: 1000,
    source: "",
    ...more,
  };
}

export function run(id: string): StoredRun {
  return { id, namespace: "default", service: "web", index: 0, generation: 1, pid: 4711, startedAt: 1000 };
}

export function exit(more: Partial<StoredExit> = {}): StoredExit {
  return { cause: "exited", endedAt: 2000, uptimeMs: 1000, peakMemoryBytes: 0, lastLines: [], message: "", ...more };
}

export function event(sequence: number): StoredEvent {
  return { sequence, at: 1000, type: "state_changed", subject: "default/web#0", runId: "", message: "", attributes: {} };
}
