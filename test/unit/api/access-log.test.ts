import { createClient, createRouterTransport } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { EventService } from "../../../gen/pm/v1/event_service_pb.ts";
import { SupervisorService } from "../../../gen/pm/v1/supervisor_service_pb.ts";
import { type AccessEntry, logAccess } from "../../../src/api/access-log.ts";
import { translateErrors } from "../../../src/api/connect-error.ts";
import { serviceNotFound } from "../../../src/errors.ts";

test("every call is told once, when it is over, as its caller saw it", async () => {
  const entries: AccessEntry[] = [];
  const transport = createRouterTransport(
    (router) => {
      router.service(EventService, {
        listEvents: () => ({}),
        async *followEvents({ tail }) {
          for (let number = 0; number < tail; number++) yield {};
          if (tail === 3) throw serviceNotFound("web");
        },
      });
      router.service(SupervisorService, { stopServices: () => Promise.reject(serviceNotFound("web")) });
    },
    { router: { interceptors: [logAccess((entry) => entries.push(entry)), translateErrors(() => {})] } },
  );
  const events = createClient(EventService, transport);
  await events.listEvents({});
  await Array.fromAsync(events.followEvents({ tail: 2 }));
  await Array.fromAsync(events.followEvents({ tail: 3 })).catch(() => undefined);
  await createClient(SupervisorService, transport)
    .stopServices({})
    .catch(() => undefined);

  expect(entries).toMatchObject([
    { method: "pm.v1.EventService/ListEvents", code: "ok", messages: 1, read: true },
    { method: "pm.v1.EventService/FollowEvents", code: "ok", messages: 2, read: true },
    { method: "pm.v1.EventService/FollowEvents", code: "not_found", messages: 3, read: true },
    { method: "pm.v1.SupervisorService/StopServices", code: "not_found", messages: 0, read: false },
  ]);
  for (const { durationMs } of entries) expect(durationMs).toBeGreaterThanOrEqual(0);
});
