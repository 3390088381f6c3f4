import { Code } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { State } from "../../../gen/pm/v1/common_pb.ts";
import { Overrides_Desired as Desired } from "../../../gen/pm/v1/service_pb.ts";
import { FakePmd, pmError } from "./fake-pmd.ts";
import { type Ended, runPmctl } from "./run-pmctl.ts";

const pmctl = (pmd: FakePmd, ...argv: string[]): Promise<Ended> => runPmctl(argv, { transport: pmd.transport });

describe("start --name", () => {
  test("makes a service of the words behind -- and says what runs", async () => {
    const pmd = new FakePmd();
    const { out, exitCode } = await pmctl(
      pmd,
      "start",
      "--name",
      "web",
      "-i",
      "2",
      "--env",
      "PORT=0",
      "--",
      "/usr/bin/node",
      "server.js",
      "--name",
      "x",
    );
    expect(out).toBe("web  2 instances running (web#0 pid 4711, web#1 pid 4712) in 0 ms\n");
    expect(exitCode).toBe(0);
    expect(pmd.asked("createService")).toMatchObject({
      name: "web",
      namespace: "default",
      spec: {
        instances: 2,
        process: {
          command: { argv: ["/usr/bin/node", "server.js", "--name", "x"] },
          workingDirectory: "/srv",
          environment: { vars: { PATH: "/usr/bin", PORT: "0" } },
        },
      },
      wait: { level: 3 },
    });
  });

  test.each([
    [["--name", "prod/web"], "prod"],
    [["--name", "web", "-N", "prod"], "prod"],
  ])("%j makes it in that namespace", async (words, namespace) => {
    const pmd = new FakePmd();
    expect((await pmctl(pmd, "start", ...words, "--", "/bin/true")).out).toMatch(/^prod\/web {2}running/);
    expect(pmd.asked("createService")).toMatchObject({ name: "web", namespace });
  });

  test("with --no-autostart it is made and left alone", async () => {
    const pmd = new FakePmd();
    const { out, exitCode } = await pmctl(pmd, "start", "--name", "web", "--no-autostart", "--", "/bin/true");
    expect(out).toMatch('web  created, not started; start it with "pmctl start web"');
    expect(exitCode).toBe(0);
    expect(pmd.asked("createService")).toMatchObject({ spec: { autostart: false } });
  });

  test("what cannot be started is told on stderr, with exit code 1", async () => {
    const pmd = new FakePmd();
    const message = "cannot start bad: /no/such/binary: no such file (exit 127)";
    pmd.failures.set("bad", { reason: "SPAWN_FAILED", message });
    expect(await pmctl(pmd, "start", "--name", "bad", "--", "/no/such/binary")).toMatchObject({ out: "", err: `error: ${message}\n`, exitCode: 1 });
  });

  test("a name that is taken is a conflict, with both ways out", async () => {
    const pmd = new FakePmd();
    pmd.add("default/web");
    const { err, exitCode } = await pmctl(pmd, "start", "--name", "web", "--", "/bin/true");
    expect(err).toMatch(/^error: web exists already: .*--replace.*pmctl start web/);
    expect(exitCode).toBe(7);
  });

  test("--replace makes it when it is new, and changes it when it is there", async () => {
    const pmd = new FakePmd();
    const words = ["start", "--name", "web", "--replace", "--", "/bin/true"];
    await pmctl(pmd, ...words);
    expect(pmd.requests.map(({ method }) => method)).toEqual(["createService"]);
    expect((await pmctl(pmd, ...words)).exitCode).toBe(0);
    expect(pmd.asked("updateService")).toMatchObject({ name: "default/web", spec: { process: { command: { argv: ["/bin/true"] } } } });
  });

  test("--replace of a stopped service starts it, because start was said", async () => {
    const pmd = new FakePmd();
    const service = pmd.add("default/web", { state: State.STOPPED });
    if (service.status) service.status.desired = Desired.STOPPED;
    expect((await pmctl(pmd, "start", "--name", "web", "--replace", "--", "/bin/true")).out).toMatch(/^web {2}running/);
    expect(pmd.requests.map(({ method }) => method)).toEqual(["createService", "updateService", "startServices"]);
  });

  test("other refusals stay what they are", async () => {
    const pmd = new FakePmd();
    pmd.refusals.set("createService", pmError(Code.Unavailable, "STORE_UNAVAILABLE", "cannot write the store"));
    expect(await pmctl(pmd, "start", "--name", "web", "--replace", "--", "/bin/true")).toMatchObject({
      err: "error: cannot write the store\n",
      exitCode: 1,
    });
  });

  test("--json is the response of the call that made it", async () => {
    const { out } = await pmctl(new FakePmd(), "start", "--name", "web", "--json", "--", "/bin/true");
    expect(JSON.parse(out)).toMatchObject({ service: { name: "web" }, results: [{ name: "default/web", outcome: "OUTCOME_DONE" }] });
  });
});
