import { create, type DescField, type DescMessage, type MessageShape, ScalarType } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { DurationSchema } from "@bufbuild/protobuf/wkt";
import { createValidator } from "@bufbuild/protovalidate";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { State } from "../../../gen/pm/v1/common_pb.ts";
import { ConfigService } from "../../../gen/pm/v1/config_service_pb.ts";
import { DaemonService } from "../../../gen/pm/v1/daemon_service_pb.ts";
import { EventService } from "../../../gen/pm/v1/event_service_pb.ts";
import { LogService } from "../../../gen/pm/v1/log_service_pb.ts";
import { ManifestSchema } from "../../../gen/pm/v1/manifest_pb.ts";
import { MetricsService } from "../../../gen/pm/v1/metrics_service_pb.ts";
import {
  CreateServiceRequestSchema,
  SignalServicesRequestSchema,
  StopServicesRequestSchema,
  SupervisorService,
} from "../../../gen/pm/v1/supervisor_service_pb.ts";
import { findViolations } from "../../../src/api/violations.ts";

const process = { command: { argv: ["sleep", "1"] } };

describe("violations", () => {
  test("a good message has no violations", () => {
    const request = create(CreateServiceRequestSchema, { name: "web", spec: { process } });
    expect(findViolations(CreateServiceRequestSchema, request)).toEqual([]);
  });

  test("all violations come at once, with the fields as the proto spells them", () => {
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
    expect(findViolations(CreateServiceRequestSchema, request)).toEqual([
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

  test("no string may hold a NUL byte, as an item, a key, a value or a field", () => {
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
    const nul = findViolations(CreateServiceRequestSchema, request).filter(({ message }) => message.includes("NUL"));
    expect(nul.map(({ field }) => field)).toEqual([
      "spec.process.command.argv[1]",
      "spec.process.working_directory",
      'spec.process.environment.vars["A"]',
      "spec.process.environment.files[0].path",
      'spec.labels["k\\u0000"]',
    ]);
  });

  test("an enum value that this pmd does not know is refused, so that a selector cannot select more than was meant", () => {
    const request = create(StopServicesRequestSchema, { selector: { names: ["*"], states: [State.RUNNING, 99 as State] } });
    expect(findViolations(StopServicesRequestSchema, request)).toEqual([{ field: "selector.states[1]", message: "99 is no value of pm.v1.State" }]);
  });

  test("a value that is too long to be read is cut in the message", () => {
    const request = create(SignalServicesRequestSchema, { selector: { all: true }, signal: "x".repeat(5000) });
    const [violation] = findViolations(SignalServicesRequestSchema, request);
    expect(violation?.message.length).toBeLessThan(200);
  });
});

describe("the rules of every request", () => {
  const requests = [DaemonService, ConfigService, SupervisorService, LogService, MetricsService, EventService]
    .flatMap(({ methods }) => methods.map(({ input }) => [input.typeName, input] as const))
    .concat([[ManifestSchema.typeName, ManifestSchema]]);

  // The oracle: the same options, read by the library that defines what they mean.
  const oracle = createValidator();

  // The largest messages take most of a second, on a machine that has nothing else to do.
  test.each(requests)("are those that protovalidate sees in %s", { timeout: 60_000 }, (_, schema) => {
    fc.assert(
      fc.property(anyMessage(schema, 4), (message) => {
        const result = oracle.validate(schema, message);
        const expected = result.kind === "invalid" ? result.violations.map(({ field }) => pathToString(field)) : [];
        expect(result.kind).not.toBe("error");
        // What no field of any message may hold is our own rule, and beside the point here.
        const own = findViolations(schema, message).filter(({ message }) => !/NUL byte|is no value of/.test(message));
        expect(own.map(({ field }) => field).sort()).toEqual(expected.sort());
      }),
      { numRuns: 60 },
    );
  });
});

/** A message with all sorts of values in its fields, most of them near the edge of some rule. */
function anyMessage<Schema extends DescMessage>(schema: Schema, depth: number): fc.Arbitrary<MessageShape<Schema>> {
  const fields = schema.fields.filter((field) => depth > 0 || field.message === undefined);
  const values = Object.fromEntries(fields.map((field) => [field.localName, fc.option(anyField(field, depth - 1), { nil: undefined })]));
  return fc.record(values).map((chosen) => {
    const message = create(schema) as MessageShape<Schema>;
    const shape = message as unknown as Record<string, unknown>;
    for (const field of fields) {
      const value = (chosen as Record<string, unknown>)[field.localName];
      if (value === undefined) continue;
      if (field.oneof) shape[field.oneof.localName] = { case: field.localName, value };
      else shape[field.localName] = value;
    }
    return message;
  });
}

function anyField(field: DescField, depth: number): fc.Arbitrary<unknown> {
  switch (field.fieldKind) {
    case "list":
      return fc.array(anyValue(field, depth), { maxLength: 3 });
    case "map":
      return fc.dictionary(anyText, anyValue(field, depth), { maxKeys: 3 });
    case "message":
    case "enum":
    case "scalar":
      return anyValue(field, depth);
  }
}

const texts = ["", "web", "a b", "-x", "A_1", "1A", "SIGTERM", "?", "/var/log", "x".repeat(300), "é".repeat(66_000), "y".repeat(140_000)];
const anyText = fc.constantFrom(...texts);
const numbers = [0, 1, 2, 255, 256, 4095, 4096, 10_000, 10_001, 100_001, 4_000_000_000];

function anyValue(field: DescField, depth: number): fc.Arbitrary<unknown> {
  if (field.message?.typeName === DurationSchema.typeName) {
    const seconds = fc.constantFrom(0n, 1n, 3600n, 86_400n, 604_801n, -1n);
    return fc.record({ seconds, nanos: fc.constantFrom(0, 1) }).map((value) => create(DurationSchema, value));
  }
  if (field.message) return anyMessage(field.message, depth);
  if (field.enum) return fc.constantFrom(...field.enum.values.map(({ number }) => number));
  switch (field.scalar) {
    case ScalarType.STRING:
      return anyText;
    case ScalarType.BYTES:
      return fc.uint8Array({ maxLength: 3 });
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.DOUBLE:
      return fc.constantFrom(-1, 0, 0.5, 1, 1.5);
    case ScalarType.UINT64:
    case ScalarType.INT64:
      return fc.constantFrom(...numbers.map(BigInt), 1n << 41n);
    case ScalarType.INT32:
      return fc.constantFrom(-1, ...numbers.filter((number) => number < 2 ** 31));
    case ScalarType.UINT32:
      return fc.constantFrom(...numbers);
    default:
      throw new Error(`no values for ${field}`);
  }
}
