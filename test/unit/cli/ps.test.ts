import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { State } from "../../../gen/pm/v1/common_pb.ts";
import { InstanceUsageSchema } from "../../../gen/pm/v1/metrics_service_pb.ts";
import { FakePmd } from "./fake-pmd.ts";
import { runPmctl } from "./run-pmctl.ts";

function pmdWithTwo(): FakePmd {
  const pmd = new FakePmd();
  pmd.add("default/web", { instances: 2, spec: { process: { command: { argv: ["node", "server.js"] } } } });
  pmd.add("default/worker", { state: State.FAILED, spec: { process: { command: { shell: "exec worker" } } } });
  pmd.usages.push(
    create(InstanceUsageSchema, { instance: "default/web#0", usage: { cpuPercent: 0.1, memoryBytes: 46n << 20n } }),
    create(InstanceUsageSchema, { instance: "default/web#1", usage: { cpuPercent: 0.2, memoryBytes: 46n << 20n } }),
  );
  return pmd;
}

describe("ps", () => {
  test("on a terminal it shows a service a line, with times relative to now", async () => {
    const { out, exitCode } = await runPmctl(["ps"], { transport: pmdWithTwo().transport, screen: "terminal" });
    expect(out).toBe(
      [
        "NAME    STATE    READY  PID        RESTARTS  UPTIME  CPU   MEM",
        "web     running  2/2    4711 4712  0         3m      0.3%  92 MiB",
        "worker  failed   0/1    -          0         -       -     -",
        "",
      ].join("\n"),
    );
    expect(exitCode).toBe(0);
  });

  test("off a terminal times are RFC 3339", async () => {
    const { out } = await runPmctl(["ps", "web"], { transport: pmdWithTwo().transport });
    expect(out).toMatch(/^NAME +STATE +READY +PID +RESTARTS +STARTED/);
    expect(out).toMatch(/2026-11-21T\d\d:57:00(Z|[+-]\d\d:\d\d)/);
  });

  test("the namespace is a column only when there is more than one", async () => {
    const pmd = pmdWithTwo();
    pmd.add("prod/web");
    const { out } = await runPmctl(["ps"], { transport: pmd.transport });
    expect(out).toMatch(/^NAMESPACE +NAME/);
    expect(out).toMatch(/^prod +web/m);
  });

  test("a list without metrics is better than no list", async () => {
    const pmd = pmdWithTwo();
    pmd.refusals.set("getMetrics", new (await import("@connectrpc/connect")).ConnectError("no metrics"));
    const { out, exitCode } = await runPmctl(["ps"], { transport: pmd.transport, screen: "terminal" });
    expect(out).toMatch(/^web .* - +-$/m);
    expect(exitCode).toBe(0);
  });

  test("without a word about which it asks for every namespace, and with -N for all of that one", async () => {
    const pmd = pmdWithTwo();
    await runPmctl(["ps"], { transport: pmd.transport });
    expect(pmd.asked("listServices")).toMatchObject({ selector: { all: true, namespace: "*" } });
    await runPmctl(["ls", "-N", "prod"], { transport: pmd.transport });
    expect(pmd.asked("listServices")).toMatchObject({ selector: { all: true, namespace: "prod" } });
  });

  test("--json is the proto's JSON of the response, jsonl one service a line, name the names", async () => {
    const { transport } = pmdWithTwo();
    const json = JSON.parse((await runPmctl(["ps", "--json"], { transport })).out);
    expect(json.services[0].status.instances.map((instance: { state: string }) => instance.state)).toEqual(["STATE_RUNNING", "STATE_RUNNING"]);
    const lines = (await runPmctl(["ps", "-o", "jsonl"], { transport })).out.trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line).name)).toEqual(["web", "worker"]);
    expect((await runPmctl(["ps", "-o", "name"], { transport })).out).toBe("web\nworker\n");
  });

  test("wide adds conditions, exits and the command as it would be typed", async () => {
    const { out } = await runPmctl(["ps", "-o", "wide"], { transport: pmdWithTwo().transport });
    expect(out).toMatch(/^default +web .* node server\.js$/m);
    expect(out).toMatch(/^default +worker .* exec worker$/m);
  });

  test("no line is wider than the terminal", async () => {
    const { out } = await runPmctl(["ps", "-o", "wide"], { transport: pmdWithTwo().transport, screen: "terminal", columns: 60 });
    for (const line of out.split("\n")) expect(line.length).toBeLessThanOrEqual(60);
  });

  test("what a service can write into its command never reaches the terminal as a control character", async () => {
    const pmd = new FakePmd();
    pmd.add("default/evil", { spec: { process: { command: { argv: ["sh", "-c", "\u001b]0;owned\u0007"] } } } });
    const { out } = await runPmctl(["ps", "-o", "wide"], { transport: pmd.transport, screen: "terminal", columns: 300 });
    expect(out).toContain("^[]0;owned^G");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(out).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
  });
});
