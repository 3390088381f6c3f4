import { create, createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { type Client, Code, createClient, createRouterTransport } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection, type ServerReflectionRequest } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { EventService, ListEventsResponseSchema } from "../../gen/pm/v1/event_service_pb.ts";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { healthService } from "../../src/api/health-service.ts";
import { reflectionRoutes } from "../../src/api/reflection.ts";
import { timedOut } from "../../src/errors.ts";
import { startApiServer } from "../support/api-server.ts";
import { runProgram } from "../support/run-program.ts";

const ready = { readiness: (name: string) => (name === "default/web" ? true : undefined), async *changes() {} };

const startServer = () =>
  startApiServer({
    events: {
      listEvents: ({ tail }) => create(ListEventsResponseSchema, { cursor: String(tail) }),
      async *followEvents({ tail }) {
        for (let number = 1; number <= tail; number++) yield { cursor: String(number) };
      },
    },
    supervisor: { getService: () => Promise.reject(timedOut("default/web", "starting", 3)) },
    routes(router) {
      reflectionRoutes(router, [SupervisorService, EventService, Health]);
      router.service(Health, healthService(ready, [SupervisorService.typeName]));
    },
  });

describe.for(["grpc", "grpcweb", "connect"])("buf curl --protocol %s, without proto files", (protocol) => {
  const bufCurl = (path: string, ...args: string[]) =>
    runProgram(["buf", "curl", "--protocol", protocol, "--http2-prior-knowledge", "--unix-socket", path, ...args], { cwd: "/" });

  test("lists the services", async () => {
    await using server = await startServer();
    const { stdout, stderr } = await bufCurl(server.path, "--list-services", "http://pmd");
    expect(stderr).toBe("");
    expect(stdout.trim().split("\n")).toEqual([
      "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
      "pm.v1.EventService",
      "pm.v1.SupervisorService",
    ]);
  });

  test.for(["v1", "v1alpha"])("calls, having learned by %s what there is", async (version) => {
    await using server = await startServer();
    const args = ["--reflect", "--reflect-protocol", `grpc-${version}`, "-d", '{"tail": 2}'];
    const unary = await bufCurl(server.path, ...args, "http://pmd/pm.v1.EventService/ListEvents");
    expect(JSON.parse(unary.stdout)).toEqual({ cursor: "2" });
    const stream = await bufCurl(server.path, ...args, "http://pmd/pm.v1.EventService/FollowEvents");
    expect(JSON.parse(`[${stream.stdout.replaceAll("}\n{", "},{")}]`)).toEqual([{ cursor: "1" }, { cursor: "2" }]);
  });

  test("shows an error with its details", async () => {
    await using server = await startServer();
    const { code, stderr } = await bufCurl(server.path, "--reflect", "-d", '{"name": "web"}', "http://pmd/pm.v1.SupervisorService/GetService");
    expect(code).not.toBe(0);
    expect(JSON.parse(stderr)).toMatchObject({ code: "deadline_exceeded", message: "default/web is still starting after 3 s; the work goes on" });
    expect(stderr).toContain(Buffer.from("\n\tTIMED_OU").toString("base64").slice(0, 12));
  });

  test("asks for the health of a service", async () => {
    await using server = await startServer();
    const { stdout } = await bufCurl(server.path, "--reflect", "-d", '{"service": "web"}', "http://pmd/grpc.health.v1.Health/Check");
    expect(JSON.parse(stdout)).toEqual({ status: "SERVING" });
  });
});

describe("reflection", () => {
  const client = createClient(
    ServerReflection,
    createRouterTransport((router) => reflectionRoutes(router, [SupervisorService])),
  );

  test.for([
    "pm.v1.SupervisorService",
    "pm.v1.SupervisorService.Watch",
    "pm.v1.WatchResponse",
    "pm.v1.WatchResponse.phase",
    "pm.v1.WatchResponse.Phase",
    "pm.v1.WatchResponse.Phase.PHASE_SYNCED",
  ])("finds the file that contains %s", async (symbol) => {
    expect(await fileName(client, { case: "fileContainingSymbol", value: symbol })).toBe("pm/v1/supervisor_service.proto");
  });

  test("knows the messages that errors carry", async () => {
    for (const value of ["google.rpc.ErrorInfo", "google.rpc.BadRequest"]) {
      expect(await fileName(client, { case: "fileContainingSymbol", value })).toBe("google/rpc/error_details.proto");
    }
    expect(await fileName(client, { case: "fileContainingSymbol", value: "pm.v1.Problem" })).toBe("pm/v1/common.proto");
  });

  test.for(["pm.v1.Nothing", "pm.v1.SupervisorService.Nothing", "pm", "", "."])("says that nothing contains %j", async (symbol) => {
    const answer = await ask(client, { case: "fileContainingSymbol", value: symbol });
    expect(answer).toMatchObject({ case: "errorResponse", value: { errorCode: Code.NotFound } });
  });

  test("finds extensions: the rules of our fields", async () => {
    const containingType = "google.protobuf.FieldOptions";
    const numbers = await ask(client, { case: "allExtensionNumbersOfType", value: containingType });
    expect(numbers).toMatchObject({ case: "allExtensionNumbersResponse", value: { extensionNumber: expect.arrayContaining([1159]) } });
    const value = { $typeName: "grpc.reflection.v1.ExtensionRequest" as const, containingType, extensionNumber: 1159 };
    expect(await fileName(client, { case: "fileContainingExtension", value })).toBe("buf/validate/validate.proto");
    const missing = await ask(client, { case: "fileContainingExtension", value: { ...value, extensionNumber: 7 } });
    expect(missing).toMatchObject({ case: "errorResponse", value: { errorCode: Code.NotFound } });
  });

  test("hands out every file that another imports, so that a client can build them all", async () => {
    const files = new Map<string, FileDescriptorProto>();
    async function collect(name: string): Promise<void> {
      const file = await fileOf(client, { case: "fileByFilename", value: name });
      for (const dependency of file.dependency) if (!files.has(dependency)) await collect(dependency);
      files.set(name, file);
    }
    await collect("pm/v1/supervisor_service.proto");
    const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: [...files.values()] }));
    expect(registry.getService("pm.v1.SupervisorService")?.methods.map(({ name }) => name)).toContain("StopServices");
  });

  test("echoes what it was asked, and answers a question that it does not know with an error", async () => {
    const [answer] = await Array.fromAsync(client.serverReflectionInfo(asking({ host: "pmd" })));
    expect(answer).toMatchObject({
      validHost: "pmd",
      originalRequest: { host: "pmd" },
      messageResponse: { case: "errorResponse", value: { errorCode: Code.InvalidArgument } },
    });
  });
});

type Question = Exclude<ServerReflectionRequest["messageRequest"], { case: undefined }>;

async function* asking(request: { host?: string; messageRequest?: Question }) {
  yield request;
}

async function ask(client: Client<typeof ServerReflection>, messageRequest: Question) {
  const [answer] = await Array.fromAsync(client.serverReflectionInfo(asking({ messageRequest })));
  return answer?.messageResponse;
}

async function fileOf(client: Client<typeof ServerReflection>, question: Question) {
  const answer = await ask(client, question);
  if (answer?.case !== "fileDescriptorResponse") throw new Error(`the answer is ${JSON.stringify(answer)}`);
  return fromBinary(FileDescriptorProtoSchema, answer.value.fileDescriptorProto[0] as Uint8Array);
}

const fileName = async (client: Client<typeof ServerReflection>, question: Question) => (await fileOf(client, question)).name;
