import { Code, createClient, createRouterTransport } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { Health, HealthCheckResponse_ServingStatus as Serving } from "../../../gen/grpc/health/v1/health_pb.ts";
import { translateErrors } from "../../../src/api/connect-error.ts";
import { healthService } from "../../../src/api/health-service.ts";

const api = "pm.v1.SupervisorService";

describe("health", () => {
  test.for([
    ["", Serving.SERVING],
    [api, Serving.SERVING],
    ["web", Serving.SERVING],
    ["default/web", Serving.SERVING],
    ["web#1", Serving.NOT_SERVING],
    ["prod/db", Serving.NOT_SERVING],
  ] as const)("of %j is %s", async ([service, status]) => {
    expect(await start({ "default/web": true, "default/web#1": false, "prod/db": false }).client.check({ service })).toMatchObject({ status });
  });

  test.for(["nothing", "db", "a/b/c", "#"])("of %j is an error of code not_found", async (service) => {
    const { client } = start({ "prod/db": true });
    await expect(client.check({ service })).rejects.toMatchObject({ code: Code.NotFound });
  });

  test("of pmd and its APIs is listed", async () => {
    const { statuses } = await start({}).client.list({});
    expect(Object.keys(statuses)).toEqual(["", api]);
  });

  test("is watched: the state as it is, then each change once, and what is unknown may come and go", async () => {
    const readiness: Record<string, boolean> = {};
    const { client, change } = start(readiness);
    const leave = new AbortController();
    const watch = client.watch({ service: "web" }, { signal: leave.signal })[Symbol.asyncIterator]();
    const next = async () => (await watch.next()).value?.status;

    expect(await next()).toBe(Serving.SERVICE_UNKNOWN);
    readiness["default/web"] = false;
    change();
    expect(await next()).toBe(Serving.NOT_SERVING);
    change(); // of something else
    readiness["default/web"] = true;
    change();
    expect(await next()).toBe(Serving.SERVING);
    delete readiness["default/web"];
    change();
    expect(await next()).toBe(Serving.SERVICE_UNKNOWN);
    leave.abort();
  });
});

function start(readiness: Record<string, boolean>) {
  let waiting = Promise.withResolvers<void>();
  const source = {
    readiness: (name: string) => (Object.hasOwn(readiness, name) ? readiness[name] : undefined),
    async *changes(signal: AbortSignal) {
      for (; !signal.aborted; yield) await waiting.promise;
    },
  };
  const transport = createRouterTransport((router) => router.service(Health, healthService(source, [api])), {
    router: { interceptors: [translateErrors((error) => expect.unreachable(String(error)))] },
  });
  return {
    client: createClient(Health, transport),
    change() {
      waiting.resolve();
      waiting = Promise.withResolvers();
    },
  };
}
