import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { State } from "../../../gen/pm/v1/common_pb.ts";
import { CreateServiceRequestSchema, SignalServicesRequestSchema, StopServicesRequestSchema } from "../../../gen/pm/v1/supervisor_service_pb.ts";
import { createValidator } from "../../../src/api/validator.ts";

const validator = createValidator();

const process = { command: { argv: ["sleep", "1"] } };

describe("validator", () => {
  test("a good message has no violations", async () => {
    const request = create(CreateServiceRequestSchema, { name: "web", spec: { process } });
    expect(await validator.validate(CreateServiceRequestSchema, request)).toEqual([]);
  });

  test("all violations come at once, with the fields as the proto spells them", async () => {
    const request = create(CreateServiceRequestSchema, {
      name: "a b",
      spec: {
        process: {
          command: {},
          environment: { vars: { "1A": "x" } },
          stop: { signal: "?", grace: { seconds: 100_000n } },
        },
        restart: { jitter: 3, successExitCodes: [0, 300] },
        labels: { "-x": "y" },
      },
    });
    expect(await validator.validate(CreateServiceRequestSchema, request)).toEqual([
      { field: "name", message: expect.stringContaining('"a b" is no name') },
      { field: "spec.process.command", message: "give either argv or shell" },
      { field: 'spec.process.environment.vars["1A"]', message: expect.stringContaining('"1A" is no name of a variable') },
      { field: "spec.process.stop.signal", message: expect.stringContaining('"?" is no signal') },
      { field: "spec.process.stop.grace", message: expect.stringContaining("86400s") },
      { field: "spec.restart.jitter", message: expect.stringMatching(/less than or equal to 1, not 3$/) },
      { field: "spec.restart.success_exit_codes[1]", message: expect.stringMatching(/255, not 300$/) },
      { field: 'spec.labels["-x"]', message: expect.stringContaining('"-x" is no label') },
    ]);
  });

  test("no string may hold a NUL byte, as an item, a key, a value or a field", async () => {
    const request = create(CreateServiceRequestSchema, {
      name: "web",
      spec: {
        process: {
          command: { argv: ["ok", "a\0b"] },
          workingDirectory: "/\0",
          environment: { vars: { A: "\0" }, files: [{ path: "x\0" }] },
        },
        labels: { "k\0": "v" },
      },
    });
    const nul = (await validator.validate(CreateServiceRequestSchema, request)).filter(({ message }) => message.includes("NUL"));
    expect(nul.map(({ field }) => field)).toEqual([
      "spec.process.command.argv[1]",
      "spec.process.working_directory",
      'spec.process.environment.vars["A"]',
      "spec.process.environment.files[0].path",
      'spec.labels["k\\u0000"]',
    ]);
  });

  test("an enum value that this pmd does not know is refused, so that a selector cannot select more than was meant", async () => {
    const request = create(StopServicesRequestSchema, { selector: { names: ["*"], states: [State.RUNNING, 99 as State] } });
    expect(await validator.validate(StopServicesRequestSchema, request)).toEqual([
      { field: "selector.states[1]", message: "99 is no value of pm.v1.State" },
    ]);
  });

  test("a value that is too long to be read is cut in the message", async () => {
    const request = create(SignalServicesRequestSchema, { selector: { all: true }, signal: "x".repeat(5000) });
    const [violation] = await validator.validate(SignalServicesRequestSchema, request);
    expect(violation?.message.length).toBeLessThan(200);
  });

  test("warming up leaves a validator that works", async () => {
    const warm = createValidator();
    await warm.warmUp([SignalServicesRequestSchema, StopServicesRequestSchema]);
    expect(await warm.validate(StopServicesRequestSchema, create(StopServicesRequestSchema))).toEqual([
      { field: "selector", message: "value is required" },
    ]);
  });
});
