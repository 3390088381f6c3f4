import { describe, expect, test } from "vitest";
import { State } from "../../../gen/pm/v1/common_pb.ts";
import { ExitRecord_Cause as Cause } from "../../../gen/pm/v1/process_pb.ts";
import { Dependency_Condition as Condition, Dependency_OnLoss as OnLoss } from "../../../gen/pm/v1/service_pb.ts";
import { FakePmd } from "./fake-pmd.ts";
import { now, runPmctl } from "./run-pmctl.ts";

const hard = { condition: Condition.HEALTHY, onLoss: OnLoss.STOP, required: true };

function pmdWithChain(): FakePmd {
  const pmd = new FakePmd();
  pmd.add("default/db", { state: State.STARTING });
  const api = pmd.add("default/api", { state: State.WAITING, spec: { dependsOn: { db: hard, cache: { ...hard, required: false } } } });
  for (const instance of api.status?.instances ?? []) instance.stateReason = "waits for db: it is starting";
  pmd.add("default/web", { spec: { dependsOn: { api: hard, db: { ...hard, condition: Condition.STARTED } }, after: ["api", "proxy"] } });
  pmd.add("default/proxy");
  return pmd;
}

describe("graph", () => {
  test("shows below each service what it needs, its state, and what is not as usual, each once", async () => {
    const { out, exitCode } = await runPmctl(["graph"], { transport: pmdWithChain().transport });
    expect([out.split("\n"), exitCode]).toEqual([
      [
        "web  running",
        "├─ api  waiting: waits for db: it is starting",
        "│  ├─ db  starting",
        "│  └─ cache  not there  (on loss stop, not required)",
        "├─ db  starting  (started)",
        "└─ proxy  running  (only after it)",
        "",
      ],
      0,
    ]);
  });

  test("begins with the services that are named", async () => {
    const pmd = pmdWithChain();
    const { out } = await runPmctl(["graph", "api"], { transport: pmd.transport });
    expect(out).toMatch(/^api .*\n├─ db .*\n└─ cache .*\n$/);
    expect(await runPmctl(["graph", "nobody"], { transport: pmd.transport })).toMatchObject({ exitCode: 4 });
  });

  test("is a drawing for Graphviz, and JSON for programs", async () => {
    const { transport } = pmdWithChain();
    const { out: dot } = await runPmctl(["graph", "--format", "dot"], { transport });
    expect(dot).toMatch(/^digraph services \{\n/);
    expect(dot).toContain('"api" -> "cache" [label="healthy", style=dashed];');
    const { out: json } = await runPmctl(["graph", "--format", "json"], { transport });
    const { services } = JSON.parse(json);
    expect(services.find(({ name }: { name: string }) => name === "api")).toEqual({
      name: "api",
      state: "waiting",
      reason: "waits for db: it is starting",
      dependsOn: [
        { name: "db", condition: "healthy", onLoss: "stop", required: true, orderOnly: false },
        { name: "cache", condition: "healthy", onLoss: "stop", required: false, orderOnly: false },
      ],
    });
    expect(await runPmctl(["graph", "--format", "picture"], { transport })).toMatchObject({ exitCode: 2 });
  });
});

describe("why", () => {
  test("tells the chain of causes, with the next start, the last exit and the last lines of each", async () => {
    const pmd = new FakePmd();
    const endTime = { seconds: BigInt(now / 1000 - 2), nanos: 0 };
    pmd.chain = [
      { name: "default/api", state: State.WAITING, sentence: "api waits for db: it is in backoff" },
      {
        name: "default/db",
        state: State.BACKOFF,
        sentence: "db is in backoff",
        nextStartTime: { seconds: BigInt(now / 1000 + 30), nanos: 0 },
        lastExit: { cause: Cause.OOM, signal: "SIGKILL", endTime, lastLines: ["no room\u001b[2J"] },
      },
    ];
    const { out, exitCode } = await runPmctl(["why", "api#0"], { transport: pmd.transport, screen: "terminal" });
    expect(pmd.asked("explainService")).toMatchObject({ name: "api" });
    expect([out.split("\n"), exitCode]).toEqual([
      [
        "api waits for db: it is in backoff",
        "db is in backoff, in 30s",
        "  its last run: oom (killed by SIGKILL), 2s ago",
        expect.stringMatching(/^ {4}no room\S+2J$/),
        "",
      ],
      0,
    ]);
  });

  test("with --json is the answer of pmd", async () => {
    const pmd = new FakePmd();
    pmd.chain = [{ name: "default/api", sentence: "api is running, and ready" }];
    const { out } = await runPmctl(["why", "api", "--json"], { transport: pmd.transport });
    expect(JSON.parse(out)).toEqual({ chain: pmd.chain });
  });
});

describe("ps and status", () => {
  test("say why a service is in its state where there is something to say", async () => {
    const { transport } = pmdWithChain();
    const { out: list } = await runPmctl(["ps"], { transport });
    expect(list).toMatch(/^NAME .* REASON$/m);
    expect(list).toMatch(/^api .* waits for db: it is starting$/m);
    const { out: all } = await runPmctl(["status", "api"], { transport });
    expect(all).toMatch(/Reason: waits for db: it is starting\n/);
    expect(all).toMatch(/Depends on: db, cache\n/);
  });
});
