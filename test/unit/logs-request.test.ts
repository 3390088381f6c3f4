import { expect, it } from "vitest";
import { type LogsRequest, parseLogsRequest } from "../../src/logs-request.ts";

const now = Date.parse("2026-11-27T12:00:00Z");

it("the last 50 lines are shown, and from a time on all", () => {
  expect(parsed("web").tail).toBe(50);
  expect(parsed("web", "--since", "10m")).toMatchObject({ tail: undefined, sinceMs: now - 600_000 });
  expect(parsed("web", "--since", "10m", "-n", "7").tail).toBe(7);
  expect(parsed("web", "-n", "all").tail).toBeUndefined();
});

it("a time is how long ago, or a date with or without a time", () => {
  expect(parsed("web", "--until", "1h30m").untilMs).toBe(now - 5_400_000);
  expect(parsed("web", "--until", "2026-11-27T10:00:00+01:00").untilMs).toBe(Date.parse("2026-11-27T09:00:00Z"));
  expect(parsed("web", "--until", "2026-11-27").untilMs).toBe(Date.parse("2026-11-27T00:00"));
});

it("wrong usage is refused with the way out", () => {
  expect(() => parsed("web", "--since", "soon")).toThrow(/--since soon: say how long ago/);
  expect(() => parsed("web", "-n", "many")).toThrow(/-n many: give a number/);
  expect(() => parsed("web", "-i")).toThrow(/--grep/);
  expect(() => parsed("web", "--since", "1m", "--until", "5m")).toThrow(/--until: the second is before the first/);
  expect(() => parsed("web", "--raw", "-t")).toThrow(/--raw and -t/);
});

function parsed(...argv: string[]): LogsRequest {
  const request = parseLogsRequest(argv, now);
  if ("print" in request) throw new Error("it is only the help");
  return request;
}
