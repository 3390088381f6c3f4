import { defaults, type ServiceSpec } from "../../src/core/spec.ts";
import { everything, type Selector } from "../../src/supervisor/selection.ts";
import { Services } from "../../src/supervisor/services.ts";
import { Supervisor } from "../../src/supervisor/supervisor.ts";
import { FakeHost } from "./fake-host.ts";
import { FakeProber } from "./fake-prober.ts";
import { MemoryStore } from "./memory-store.ts";

export const never = new AbortController().signal;
export const ready = { level: "ready" } as const;
export const accepted = { level: "accepted" } as const;

export function named(...names: string[]): Selector {
  return { ...everything, all: false, namespace: "", names };
}

/** A spec that says nothing special. */
export function plainSpec(change: Partial<ServiceSpec> = {}): ServiceSpec {
  return {
    process: {
      command: { argv: ["program"], shell: "", args: [] },
      workingDirectory: "/",
      environment: { vars: {}, files: [], inherit: false },
      stop: defaults.stop,
      logs: defaults.logs,
    },
    instances: 1,
    autostart: true,
    restart: { ...defaults.restart, jitter: 0 },
    start: defaults.start,
    labels: {},
    description: "",
    ...change,
  };
}

/** A supervisor over a fake host and a store in memory; `again` is what a pmd that is started anew on the same store would be. */
export function supervised(host = new FakeHost(), store = new MemoryStore(), prober = new FakeProber()) {
  const services = new Services({
    host,
    store,
    prober,
    logDir: "/logs",
    homeDir: "/home/pm",
    log: () => undefined,
    peakMemoryBytes: () => 0,
    lastLines: async () => ["its last words"],
  });
  services.open();
  const supervisor = new Supervisor(services, host);
  const eventTypes = () => services.events.read(services.events.oldestCursor, 10_000).events.map(({ type }) => type);
  return { supervisor, services, host, store, prober, eventTypes };
}

export const web = { namespace: "default", name: "web", spec: plainSpec() };

/** A supervisor with one service, which runs. */
export async function withWeb(spec = plainSpec()) {
  const all = supervised();
  await all.supervisor.create({ ...web, spec }, accepted, never);
  await all.host.pass(2000);
  return all;
}
