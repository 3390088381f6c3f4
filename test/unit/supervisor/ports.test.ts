import { expect, it } from "vitest";
import type { PortSpec, ServiceSpec } from "../../../src/core/spec.ts";
import { accepted, never, plainSpec, supervised, withWeb } from "../../support/supervised.ts";

function listening(port: PortSpec, change: Partial<ServiceSpec> = {}): ServiceSpec {
  const spec = plainSpec(change);
  return { ...spec, process: { ...spec.process, port } };
}

it("a service cannot have a port of another, also when that one is stopped, and is told whose it is", async () => {
  const { supervisor } = await withWeb(listening({ first: 3000, last: 3003, auto: false }, { instances: 2, autostart: false }));
  const api = { namespace: "default", name: "api", spec: listening({ first: 3003, last: 3003, auto: false }) };
  await expect(supervisor.create(api, accepted, never)).rejects.toMatchObject({
    reason: "PORT_IN_USE",
    metadata: { port: "3003", owner: "web" },
  });
});

it("an instance that takes what is free is not given what belongs to another service", async () => {
  const { supervisor, host } = await withWeb(listening({ first: 3001, last: 3001, auto: false }));
  const api = { namespace: "default", name: "api", spec: listening({ first: 3000, last: 3002, auto: true }) };
  await supervisor.create(api, accepted, never);
  await host.pass(10);
  expect(host.newest.order).toMatchObject({ service: "api", ports: [3000, 3002] });
});

it("each instance has the port of its number", async () => {
  const { host } = await withWeb(listening({ first: 3000, last: 3003, auto: false }, { instances: 3 }));
  expect(host.launched.map(({ order }) => order.ports)).toEqual([[3000], [3001], [3002]]);
});

it("a service is not scaled beyond its ports, and nothing changes", async () => {
  const { supervisor, services } = await withWeb(listening({ first: 3000, last: 3001, auto: false }, { instances: 2 }));
  await expect(supervisor.scale("web", 3, accepted, never)).rejects.toThrow("3 instances cannot share 3000-3001: give 3000-3002, or fewer instances");
  expect(services.get("web").instancesDesired).toBe(2);
});

it("a service without ports is given none", async () => {
  const { supervisor, host } = supervised();
  await supervisor.create({ namespace: "default", name: "web", spec: plainSpec() }, accepted, never);
  await host.pass(10);
  expect(host.newest.order.ports).toEqual([]);
});
