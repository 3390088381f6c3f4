import type { RunSpecFile } from "./run-files.ts";

/** What a run is told of itself, and the commands too that stop it, reload it, or ask how it is. */
export function runVariables({ runId, service, namespace, index, instances, port }: RunSpecFile): Record<string, string> {
  return {
    NAME: service,
    PM_SERVICE: service,
    PM_NAMESPACE: namespace,
    PM_INSTANCE: String(index),
    NODE_APP_INSTANCE: String(index),
    ...(instances !== undefined && { PM_INSTANCES: String(instances) }),
    ...(port !== undefined && { PORT: String(port) }),
    PM_RUN_ID: runId,
  };
}
