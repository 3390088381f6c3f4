import fc from "fast-check";
import { defaults, type ServiceSpec } from "../../src/core/spec.ts";
import { eventTypes, exitCauses, type StoredEvent, type StoredExit, type StoredRun, type StoredService } from "../../src/supervisor/store.ts";

// Few names, so that records meet.
export const names = fc.constantFrom("web", "web2", "w", "Web.x_1");
export const namespaces = fc.constantFrom("default", "prod");
export const instances = fc.tuple(namespaces, names, fc.nat(2)).map(([namespace, name, index]) => `${namespace}/${name}#${index}`);
export const runIds = fc.nat(7).map((n) => `run-${n}`);
const texts = fc.string({ unit: "binary", maxLength: 20 });
const times = fc.integer({ min: 0, max: 2_000_000_000_000 });
const optional = <T>(key: string, value: fc.Arbitrary<T>) => fc.option(value).map((some) => (some === null ? {} : { [key]: some }));

const environment = fc.record({
  vars: fc.dictionary(texts, texts, { maxKeys: 3, noNullPrototype: true }),
  files: fc.array(fc.record({ path: texts, optional: fc.boolean() }), { maxLength: 2 }),
  inherit: fc.boolean(),
});

const specs: fc.Arbitrary<ServiceSpec> = fc
  .tuple(environment, fc.array(texts, { maxLength: 3 }), fc.nat(9), optional("reload", fc.constant({ signal: "SIGHUP" })), texts)
  .map(([environment, argv, instances, reload, description]) => ({
    process: { command: { argv, shell: "", args: [] }, workingDirectory: "", environment, stop: defaults.stop, logs: defaults.logs },
    instances,
    autostart: true,
    restart: defaults.restart,
    start: defaults.start,
    labels: environment.vars,
    description,
    ...reload,
  }));

const overrides = fc
  .tuple(optional("desired", fc.constantFrom("running", "stopped")), optional("instances", fc.nat(5)), fc.array(fc.nat(5), { maxLength: 3 }))
  .map(([desired, instances, stoppedInstances]) => ({ ...desired, ...instances, stoppedInstances }));

export const services: fc.Arbitrary<StoredService> = fc.record({
  namespace: namespaces,
  name: names,
  spec: specs,
  overrides,
  generation: fc.oneof(fc.nat(), fc.nat(40)),
  processGeneration: fc.nat(),
  createdAt: times,
  updatedAt: fc.double({ min: 0, max: 1e13, noNaN: true }).map((time) => time + 0),
  source: texts,
});

export const exits: fc.Arbitrary<StoredExit> = fc
  .tuple(
    fc.record({ cause: fc.constantFrom(...exitCauses), endedAt: fc.nat(20), uptimeMs: fc.nat(), peakMemoryBytes: times, message: texts }),
    fc.array(texts, { maxLength: 2 }),
    optional("code", fc.nat(255)),
    optional("signal", texts),
  )
  .map(([exit, lastLines, code, signal]) => ({ ...exit, lastLines, ...code, ...signal }));

export const runs: fc.Arbitrary<StoredRun> = fc
  .tuple(fc.record({ number: fc.nat(7), index: fc.nat(2), generation: fc.nat(9), pid: fc.nat(), startedAt: times }), optional("end", exits))
  .map(([{ number, ...run }, end]) => ({ id: `run-${number}`, ...ownerOf(number), ...run, ...end }));

// A run is of one service, which its id does not change.
function ownerOf(number: number): { namespace: string; service: string } {
  return { namespace: number % 2 === 0 ? "default" : "prod", service: "web" };
}

export const events: fc.Arbitrary<StoredEvent> = fc
  .tuple(
    fc.record({
      sequence: fc.integer({ min: 1, max: 40 }),
      at: times,
      type: fc.constantFrom(...eventTypes),
      subject: texts,
      runId: runIds,
      message: texts,
    }),
    environment,
    optional("exit", exits),
  )
  .map(([event, { vars }, exit]) => ({ ...event, attributes: vars, ...exit }));
