import { readFileSync } from "node:fs";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Selector, SelectorSchema, State } from "../../gen/pm/v1/common_pb.ts";
import type { Service, ServiceSpec, ServiceSpecSchema } from "../../gen/pm/v1/service_pb.ts";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import type { TestDaemon } from "./daemon.ts";

type SpecFields = Exclude<MessageInitShape<typeof ServiceSpecSchema>, ServiceSpec>;

/** A service that runs this shell line, counts as running soon, is started again soon, and carries the test's mark. */
export function shell(daemon: TestDaemon, line: string, { process, ...more }: SpecFields = {}): SpecFields {
  return {
    start: { settle: { nanos: 20_000_000 } },
    restart: { delay: { nanos: 10_000_000 }, jitter: 0 },
    ...more,
    process: { command: { shell: line }, workingDirectory: daemon.root, environment: { vars: daemon.mark }, ...process },
  } as SpecFields;
}

export function named(...names: string[]): Selector {
  return create(SelectorSchema, { names });
}

export async function getService(daemon: TestDaemon, name: string): Promise<Service> {
  const { service } = await daemon.client(SupervisorService).getService({ name });
  if (!service) throw new Error(`no service ${name}`);
  return service;
}

/** The main process of the first instance; 0 while there is none. */
export async function pidOf(daemon: TestDaemon, name: string): Promise<number> {
  return (await getService(daemon, name)).status?.instances[0]?.run?.pid ?? 0;
}

export async function isRunning(daemon: TestDaemon, name: string): Promise<boolean> {
  return (await getService(daemon, name)).status?.state === State.RUNNING;
}

/** A zombie is dead. */
export function isAlive(pid: number): boolean {
  return processState(pid) !== undefined;
}

function processState(pid: number): string | undefined {
  try {
    const state = /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
    return state === "Z" || state === "X" ? undefined : state;
  } catch {
    return undefined;
  }
}
