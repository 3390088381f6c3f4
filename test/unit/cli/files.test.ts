import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { describe, expect, onTestFinished, test } from "vitest";
import { TargetResult_Outcome as Outcome, State, TargetResultSchema } from "../../../gen/pm/v1/common_pb.ts";
import { PlannedService_Effect as Effect, type PlannedServiceSchema, PlanSchema } from "../../../gen/pm/v1/config_service_pb.ts";
import { FakePmd, invalidFields, pmError } from "./fake-pmd.ts";
import { type Ended, runPmctl } from "./run-pmctl.ts";

const pmctl = (pmd: FakePmd, ...argv: string[]): Promise<Ended> => runPmctl(argv, { transport: pmd.transport });

type Planned = MessageInitShape<typeof PlannedServiceSchema>;

function pmdWithPlan(...services: Planned[]): FakePmd {
  const pmd = new FakePmd();
  pmd.plan = create(PlanSchema, {
    source: "/srv/pm.yaml",
    fingerprint: "0123456789abcdef",
    services: services.map((one) => ({ defined: true, ...one })) as never,
  });
  return pmd;
}

const everyEffect: Planned[] = [
  {
    name: "default/api",
    effect: Effect.RESTART,
    fields: [
      { field: "process.command.argv", from: '["node","old.js"]', to: '["node","new.js"]' },
      { field: "process.environment.vars.KEY", from: '"********"', to: '"********"' },
      { field: "restart.delay", from: '"0.500s"', to: '"60s"' },
      { field: "restart.policy", from: '"MODE_ALWAYS"', to: '"MODE_ON_FAILURE"' },
    ],
  },
  { name: "default/db", effect: Effect.NONE, drift: ["stopped by an operator"] },
  { name: "default/old", effect: Effect.DELETE, defined: false },
  { name: "default/same", effect: Effect.NONE },
  { name: "default/taken", effect: Effect.LIVE, conflict: "taken was made over the API: change it there, or use force" },
  {
    name: "default/web",
    effect: Effect.SCALE,
    fields: [
      { field: "instances", from: "1", to: "2" },
      { field: "labels.tier", from: "", to: '"front"' },
    ],
  },
  { name: "prod/new", effect: Effect.CREATE },
];

describe("diff", () => {
  test("has a line for each service that changes or drifts, with the fields, and exits with 10", async () => {
    const { out, exitCode } = await pmctl(pmdWithPlan(...everyEffect), "diff", "-f", "pm.yaml");
    expect(out.split("\n")).toEqual([
      "~ api       restart   command node old.js → node new.js; env.KEY changed; restart.delay 0.5 s → 60 s; restart.policy always → on-failure",
      "= db        stopped by an operator",
      "- old       delete",
      "~ taken     conflict  taken was made over the API: change it there, or use force",
      "~ web       scale     instances 1 → 2; labels.tier = front",
      "+ prod/new  create",
      "1 service is as the file says",
      "fingerprint 0123456789abcdef",
      "",
    ]);
    expect(exitCode).toBe(10);
  });

  test("of a file that says what is exits with 0", async () => {
    expect(await pmctl(pmdWithPlan({ name: "default/web", effect: Effect.NONE }), "diff", "-f", "pm.yaml")).toMatchObject({
      out: "1 service is as the file says\n",
      exitCode: 0,
    });
  });

  test("asks pmd to read the file, by its absolute path, with the options as they were said", async () => {
    const pmd = pmdWithPlan();
    await pmctl(pmd, "diff", "-f", "conf/pm.yaml", "--prune", "--force", "--reset-overrides");
    expect(pmd.asked("planConfig")).toMatchObject({
      file: { path: "/srv/conf/pm.yaml" },
      options: { prune: true, force: true, resetOverrides: true },
    });
    expect(pmd.asked<{ file: { text?: string } }>("planConfig").file.text).toBeUndefined();
  });

  test("without a file looks for pm.yaml in this directory, and says so when there is none", async () => {
    const cwd = mkdtempSync(join(tmpdir(), "pmctl-"));
    onTestFinished(async () => await import("node:fs").then(({ rmSync }) => rmSync(cwd, { recursive: true })));
    const pmd = pmdWithPlan();
    const here = (...argv: string[]) => runPmctl(argv, { transport: pmd.transport, session: { cwd } });
    expect(await here("diff")).toMatchObject({ err: "error: there is no pm.yaml here: say which file with -f FILE\n", exitCode: 2 });
    writeFileSync(join(cwd, "pm.yaml"), "version: 1\n");
    await here("diff", "--send");
    expect(pmd.asked("planConfig")).toMatchObject({ file: { path: join(cwd, "pm.yaml"), text: "version: 1\n" } });
  });
});

describe("check", () => {
  test("says how much a valid file defines", async () => {
    expect(await pmctl(pmdWithPlan({ name: "default/web" }), "check", "-f", "pm.yaml")).toMatchObject({
      out: "/srv/pm.yaml is valid: 1 service\n",
      exitCode: 0,
    });
  });

  test("prints all that is wrong with one that is not, each with its place, and exits with 2", async () => {
    const pmd = pmdWithPlan();
    pmd.refusals.set(
      "validateConfig",
      invalidFields([
        { field: "/srv/pm.yaml:3:5 services.web.comand", description: "no such key" },
        { field: "/srv/pm.yaml:9:1", description: "is not a mapping" },
      ]),
    );
    expect(await pmctl(pmd, "check", "-f", "pm.yaml")).toMatchObject({
      err: "error: 2 values are not valid\n  | /srv/pm.yaml:3:5 services.web.comand: no such key\n  | /srv/pm.yaml:9:1: is not a mapping\n",
      exitCode: 2,
    });
  });
});

describe("apply", () => {
  test("says what became of each service, and why one failed", async () => {
    const pmd = pmdWithPlan(...everyEffect.filter(({ conflict }) => !conflict));
    pmd.applied = [
      { name: "default/api", outcome: Outcome.FAILED, problem: { reason: "EXITED_EARLY", message: "api#0 exited with code 1 before it was ready" } },
      { name: "default/old", outcome: Outcome.DONE },
      { name: "default/web", outcome: Outcome.DONE, state: State.RUNNING, pids: [11, 12] },
      { name: "prod/new", outcome: Outcome.DONE, state: State.RUNNING, pids: [13] },
    ].map((result) => create(TargetResultSchema, result as never));
    const { out, err, exitCode } = await pmctl(pmd, "apply", "-f", "pm.yaml");
    expect(out.split("\n").map((line) => line.replace(/ {2,}/g, "  "))).toEqual([
      "= db  stopped by an operator",
      "- old  deleted",
      "~ web  scaled, 2 instances running (pids 11, 12)  instances 1 → 2; labels.tier = front",
      "+ prod/new  created, running (pid 13)",
      "1 service is as the file says",
      "",
    ]);
    expect(err).toBe("error: api#0 exited with code 1 before it was ready\n");
    expect(exitCode).toBe(1);
  });

  test("sends the fingerprint and the wait, and only plans with --dry-run", async () => {
    const pmd = pmdWithPlan({ name: "default/web", effect: Effect.CREATE });
    await pmctl(pmd, "apply", "-f", "pm.yaml", "--fingerprint", "abc", "--no-wait");
    expect(pmd.asked("applyConfig")).toMatchObject({ fingerprint: "abc", wait: { level: 1 } });
    const other = pmdWithPlan({ name: "default/web", effect: Effect.CREATE });
    expect(await pmctl(other, "apply", "-f", "pm.yaml", "--dry-run")).toMatchObject({ out: "+ web  create\n", exitCode: 0 });
    expect(other.requests.map(({ method }) => method)).toEqual(["planConfig"]);
  });

  test.each([
    ["OTHER_OWNER", Code.FailedPrecondition],
    ["PLAN_STALE", Code.Aborted],
  ])("that is refused for %s is a conflict: 7", async (reason, code) => {
    const pmd = pmdWithPlan();
    pmd.refusals.set("applyConfig", pmError(code, reason, "no"));
    expect(await pmctl(pmd, "apply", "-f", "pm.yaml")).toMatchObject({ err: "error: no\n", exitCode: 7 });
  });

  test("of pmd's own file names none", async () => {
    const pmd = pmdWithPlan();
    expect(await pmctl(pmd, "reload-config", "--prune")).toMatchObject({ out: "the file defines no services\n", exitCode: 0 });
    expect(pmd.asked<{ file?: object }>("applyConfig").file).toBeUndefined();
    expect(pmd.asked("applyConfig")).toMatchObject({ options: { prune: true } });
  });
});

describe("up", () => {
  const stack = [
    { name: "default/web", effect: Effect.NONE },
    { name: "default/job", effect: Effect.NONE },
    { name: "default/old", effect: Effect.NONE, defined: false },
  ];

  function pmdWithStack(): FakePmd {
    const pmd = pmdWithPlan(...stack);
    pmd.add("default/web", { state: State.STOPPED });
    pmd.add("default/job", { state: State.STOPPED, spec: { autostart: false } });
    pmd.add("default/old", { state: State.STOPPED });
    return pmd;
  }

  test("starts what the file defines and does not run, but not what is not to be started by itself", async () => {
    const pmd = pmdWithStack();
    expect(await pmctl(pmd, "up", "-f", "pm.yaml", "--wait")).toMatchObject({ exitCode: 0 });
    expect(pmd.asked("startServices")).toMatchObject({ selector: { names: ["default/web"] }, wait: { level: 3 } });
  });

  test("of names is about those alone", async () => {
    const pmd = pmdWithStack();
    pmd.plan = { ...pmd.plan, services: pmd.plan.services.filter(({ name }) => name === "default/job") };
    await pmctl(pmd, "up", "-f", "pm.yaml", "job");
    expect(pmd.asked("applyConfig")).toMatchObject({ options: { names: ["job"] } });
    expect(pmd.asked("startServices")).toMatchObject({ selector: { names: ["default/job"] } });
  });

  test("of what runs already starts nothing", async () => {
    const pmd = pmdWithStack();
    await pmctl(pmd, "up", "-f", "pm.yaml");
    pmd.requests.length = 0;
    expect(await pmctl(pmd, "up", "-f", "pm.yaml")).toMatchObject({ exitCode: 0 });
    expect(pmd.requests.map(({ method }) => method)).not.toContain("startServices");
  });
});

describe("down", () => {
  function pmdWithTwo(): FakePmd {
    const pmd = new FakePmd();
    pmd.add("default/web").source = "/srv/pm.yaml";
    pmd.add("default/mine");
    return pmd;
  }

  test("stops what the file owns, whether or not it is still there", async () => {
    const pmd = pmdWithTwo();
    expect(await pmctl(pmd, "down", "-f", "pm.yaml")).toMatchObject({ out: "web  stopped in 0 ms\n", exitCode: 0 });
    expect(pmd.asked("stopServices")).toMatchObject({ selector: { names: [], source: "/srv/pm.yaml" } });
  });

  test("with --remove deletes it", async () => {
    const pmd = pmdWithTwo();
    expect(await pmctl(pmd, "down", "-f", "pm.yaml", "--remove")).toMatchObject({ out: "web  stopped and deleted in 0 ms\n", exitCode: 0 });
    expect(pmd.asked("deleteServices")).toMatchObject({ selector: { source: "/srv/pm.yaml" }, force: true });
    expect([...pmd.services.keys()]).toEqual(["default/mine"]);
  });

  test("of names stops those", async () => {
    const pmd = pmdWithTwo();
    await pmctl(pmd, "down", "mine");
    expect(pmd.asked("stopServices")).toMatchObject({ selector: { names: ["mine"], source: "" } });
  });
});

describe("history and rollback", () => {
  test("list what was, with where it came from, and go back to it", async () => {
    const pmd = new FakePmd();
    pmd.add("default/web");
    const at = { seconds: 1_700_000_000n };
    pmd.revisions = [
      { generation: 2n, createTime: at, origin: "/srv/pm.yaml", spec: { process: { command: { argv: ["node", "b.js"] } } } },
      { generation: 1n, createTime: at, origin: "", spec: { process: { command: { shell: "exec a" } } } },
    ];
    const { out } = await pmctl(pmd, "history", "web");
    expect(out.split("\n").map((line) => line.replace(/ +/g, " ").trim())).toEqual([
      "REVISION TIME FROM COMMAND",
      "2 2023-11-14T22:13:20Z /srv/pm.yaml node b.js",
      "1 2023-11-14T22:13:20Z the API exec a",
      "",
    ]);
    expect(await pmctl(pmd, "rollback", "web", "--to", "1")).toMatchObject({ out: "web  running (pid 4712) in 0 ms\n", exitCode: 0 });
    expect(pmd.asked("rollbackService")).toMatchObject({ name: "web", generation: 1n });
  });
});

test("deleting and replacing what a file defines is forced only when that is said", async () => {
  const pmd = new FakePmd();
  pmd.add("default/web");
  await pmctl(pmd, "start", "--name", "web", "--replace", "--shell", "true");
  expect(pmd.asked("updateService")).toMatchObject({ force: false });
  await pmctl(pmd, "start", "--name", "web", "--replace", "--force", "--shell", "true");
  expect(pmd.asked("updateService")).toMatchObject({ force: true });
  await pmctl(pmd, "delete", "web", "--force");
  expect(pmd.asked("deleteServices")).toMatchObject({ force: true });
});
