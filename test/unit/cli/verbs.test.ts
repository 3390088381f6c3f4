import { describe, expect, test } from "vitest";
import { State } from "../../../gen/pm/v1/common_pb.ts";
import { FakePmd } from "./fake-pmd.ts";
import { type Ended, runPmctl } from "./run-pmctl.ts";

function pmdWith(...names: string[]): FakePmd {
  const pmd = new FakePmd();
  for (const name of names) pmd.add(`default/${name}`);
  return pmd;
}

const pmctl = (pmd: FakePmd, ...argv: string[]): Promise<Ended> => runPmctl(argv, { transport: pmd.transport });

describe("start", () => {
  test("says what runs, and that it ran already", async () => {
    const pmd = new FakePmd();
    pmd.add("default/web", { state: State.STOPPED, instances: 2 });
    expect(await pmctl(pmd, "start", "web")).toMatchObject({ out: "web  2 instances running (pids 4711, 4712) in 0 ms\n", exitCode: 0 });
    expect(await pmctl(pmd, "start", "web")).toMatchObject({ out: "web  already running (pids 4711, 4712)\n", exitCode: 0 });
  });

  test("prints why it failed, with the last lines of the program, and exits with 1", async () => {
    const pmd = pmdWith("web");
    pmd.failures.set("web", {
      reason: "EXITED_EARLY",
      message: "web#0 exited with code 3 before it was ready",
      lastLines: ["Error: no config", "\u001b[2Jat main"],
    });
    expect(await pmctl(pmd, "start", "web")).toMatchObject({
      out: "",
      err: "error: web#0 exited with code 3 before it was ready\n  | Error: no config\n  | ^[[2Jat main\n",
      exitCode: 1,
    });
  });

  test("of a name that nobody knows hints at how to make one", async () => {
    const { err, exitCode } = await pmctl(pmdWith(), "start", "web");
    expect(err).toBe('error: no service is named "web"\n  | to make a new one: pmctl start --name web -- PROGRAM ARGS...\n');
    expect(exitCode).toBe(4);
  });
});

describe("stop", () => {
  test("says so, and what was stopped already", async () => {
    const pmd = pmdWith("api", "web");
    expect(await pmctl(pmd, "stop", "web")).toMatchObject({ out: "web  stopped in 0 ms\n", exitCode: 0 });
    expect(await pmctl(pmd, "stop", "--all")).toMatchObject({ out: "api  stopped\nweb  already stopped\n", exitCode: 0 });
  });

  test("sends the selector, the grace period and the wait as they were said", async () => {
    const pmd = pmdWith("web");
    await pmctl(pmd, "stop", "web", "-N", "default", "-l", "a=b", "--state", "running", "--grace", "1m30s", "--timeout", "2s");
    expect(pmd.asked("stopServices")).toMatchObject({
      selector: { names: ["web"], namespace: "default", labels: { a: "b" }, states: [State.RUNNING] },
      grace: { seconds: 90n },
      wait: { level: 3, timeout: { seconds: 2n } },
    });
  });

  test("waits by default, and not with --no-wait", async () => {
    const pmd = pmdWith("web");
    await pmctl(pmd, "stop", "web");
    expect(pmd.asked("stopServices")).toMatchObject({ wait: { level: 3 } });
    await pmctl(pmd, "stop", "web", "--no-wait");
    expect(pmd.asked("stopServices")).toMatchObject({ wait: { level: 1 } });
  });

  test("of several of which one fails reports both, and exits with the failure's code", async () => {
    const pmd = pmdWith("api", "web");
    pmd.failures.set("api", { reason: "TIMED_OUT", message: "api is still stopping after 2 s; the work goes on" });
    expect(await pmctl(pmd, "stop", "all")).toMatchObject({
      out: "web  stopped\n",
      err: "error: api is still stopping after 2 s; the work goes on\n",
      exitCode: 6,
    });
  });

  test("--json is the response, also when something failed; name prints who was stopped", async () => {
    const pmd = pmdWith("api", "web");
    pmd.failures.set("api", { reason: "SURVIVORS", message: "cannot stop api" });
    const { out, err, exitCode } = await pmctl(pmd, "stop", "--all", "--json");
    expect(JSON.parse(out).results.map(({ outcome }: { outcome: string }) => outcome)).toEqual(["OUTCOME_FAILED", "OUTCOME_DONE"]);
    expect({ err, exitCode }).toEqual({ err: "", exitCode: 1 });
    expect((await pmctl(pmd, "stop", "web", "-o", "name")).out).toBe("web\n");
  });

  test("of a pattern that matches nothing says so", async () => {
    expect(await pmctl(pmdWith(), "stop", "web-*")).toMatchObject({ out: "nothing is selected\n", exitCode: 0 });
  });

  test("of an instance names the instance", async () => {
    expect(await pmctl(pmdWith("web"), "stop", "web#0")).toMatchObject({ out: "web#0  stopped in 0 ms\n" });
  });
});

describe("restart, reload and kill", () => {
  test("restart says what runs now, and every call has its own id", async () => {
    const pmd = pmdWith("web");
    expect((await pmctl(pmd, "restart", "web")).out).toBe("web  restarted, running (pid 4712) in 0 ms\n");
    const first = pmd.asked<{ requestId: string }>("restartServices").requestId;
    await pmctl(pmd, "restart", "web");
    expect(first).not.toBe("");
    expect(pmd.asked<{ requestId: string }>("restartServices").requestId).not.toBe(first);
  });

  test("reload says so", async () => {
    expect((await pmctl(pmdWith("web"), "reload", "web")).out).toBe("web  reloaded in 0 ms\n");
  });

  test.each([
    [["kill", "web"], "SIGTERM", false],
    [["kill", "-s", "hup", "web"], "SIGHUP", false],
    [["kill", "-s", "SIGUSR1", "--group", "web"], "SIGUSR1", true],
    [["kill", "-s", "9", "web"], "9", false],
    [["kill", "-9", "web"], "9", false],
  ])("%j sends %s", async (argv, signal, group) => {
    const pmd = pmdWith("web");
    expect(await pmctl(pmd, ...argv)).toMatchObject({ out: `web  sent ${signal} to pid 4711\n`, exitCode: 0 });
    expect(pmd.asked("signalServices")).toMatchObject({ signal, group });
  });
});

describe("scale", () => {
  test.each([[["web=3"]], [["web", "3"]]])("%j", async (operands) => {
    const pmd = pmdWith("web");
    expect((await pmctl(pmd, "scale", ...operands)).out).toMatch(
      /^web {2}3 instances running \(web#0 pid \d+, web#1 pid \d+, web#2 pid \d+\) in 0 ms\n$/,
    );
    expect(pmd.asked("scaleService")).toMatchObject({ name: "web", instances: 3 });
  });

  test("several are scaled one after the other, and --reset goes back to the spec", async () => {
    const pmd = pmdWith("web", "api");
    await pmctl(pmd, "scale", "web=2", "api=3");
    expect(pmd.requests.map(({ message }) => [message.name, message.instances])).toEqual([
      ["web", 2],
      ["api", 3],
    ]);
    await pmctl(pmd, "scale", "web", "--reset");
    expect(pmd.asked("scaleService").instances).toBeUndefined();
  });

  test("without a number it is refused", async () => {
    expect(await pmctl(pmdWith("web"), "scale", "web")).toMatchObject({ exitCode: 2, err: expect.stringContaining("pmctl scale web=4") });
    expect(await pmctl(pmdWith("web"), "scale", "web=many")).toMatchObject({ exitCode: 2, err: expect.stringContaining('"many"') });
  });
});

describe("delete", () => {
  const deletions = (pmd: FakePmd) => pmd.requests.filter(({ method, message }) => method === "deleteServices" && !message.validateOnly).length;

  test("off a terminal it never asks", async () => {
    const pmd = pmdWith("api", "web");
    expect(await pmctl(pmd, "rm", "--all")).toMatchObject({ out: "api  deleted\nweb  deleted\n", exitCode: 0 });
    expect(pmd.services.size).toBe(0);
  });

  test.each([
    [["--all"], ["api", "web"], "delete 2 services (api, web)? [y/N] "],
    [["--all"], ["web"], "delete web? [y/N] "],
    [["w*", "api"], ["api", "web"], "delete 2 services (web, api)? [y/N] "],
  ])("on a terminal, %j of %j asks first, and no is no", async (argv, names, question) => {
    const pmd = pmdWith(...names);
    const asked: string[] = [];
    const confirm = async (text: string) => {
      asked.push(text);
      return false;
    };
    const { exitCode, err } = await runPmctl(["delete", ...argv], { transport: pmd.transport, session: { confirm } });
    expect(asked).toEqual([question]);
    expect({ exitCode, err }).toEqual({ exitCode: 1, err: "error: nothing was deleted\n" });
    expect(deletions(pmd)).toBe(0);
  });

  test("yes is yes, and neither one that was named nor --yes needs it", async () => {
    const pmd = pmdWith("api", "db", "web");
    const agree = { confirm: async () => true };
    const never = { confirm: async () => Promise.reject(new Error("asked")) };
    await runPmctl(["delete", "web"], { transport: pmd.transport, session: never });
    expect([...pmd.services.keys()]).toEqual(["default/api", "default/db"]);
    await runPmctl(["delete", "*"], { transport: pmd.transport, session: agree });
    expect(pmd.services.size).toBe(0);
    expect((await runPmctl(["delete", "--all", "-y"], { transport: pmdWith("a", "b").transport, session: never })).exitCode).toBe(0);
  });
});

describe("is-active", () => {
  test("prints the state; 0 is running, 3 is not, 4 is unknown", async () => {
    const pmd = pmdWith("web");
    pmd.add("default/api", { state: State.BACKOFF });
    expect(await pmctl(pmd, "is-active", "web")).toMatchObject({ out: "running\n", exitCode: 0 });
    expect(await pmctl(pmd, "is-active", "web#0")).toMatchObject({ out: "running\n", exitCode: 0 });
    expect(await pmctl(pmd, "is-active", "api")).toMatchObject({ out: "backoff\n", exitCode: 3 });
    expect(await pmctl(pmd, "is-active", "-q", "api")).toMatchObject({ out: "", exitCode: 3 });
    expect(await pmctl(pmd, "is-active", "nope")).toMatchObject({ out: "", exitCode: 4 });
    expect(await pmctl(pmd, "is-active", "web#9")).toMatchObject({ out: "", exitCode: 4 });
  });
});

describe("env", () => {
  test("prints variables by name, and asks for their values only when told to", async () => {
    const pmd = new FakePmd();
    pmd.add("default/web", { spec: { process: { environment: { vars: { B: "********", A: "********" }, files: [{ path: "/srv/.env" }] } } } });
    expect(await pmctl(pmd, "env", "web")).toMatchObject({ out: "A=********\nB=********\n", err: "# and what /srv/.env says\n", exitCode: 0 });
    expect(pmd.asked("getService")).toMatchObject({ revealEnvironment: false });
    await pmctl(pmd, "env", "web", "--reveal");
    expect(pmd.asked("getService")).toMatchObject({ revealEnvironment: true });
    expect((await pmctl(pmd, "env", "web", "-o", "name")).out).toBe("A\nB\n");
  });

  test("shows what the file says for all services below what the service says itself", async () => {
    const pmd = new FakePmd();
    const shared = [{ vars: { A: "all", TZ: "all" }, files: [{ path: "/srv/all.env" }] }];
    pmd.add("default/web", { spec: { process: { environment: { vars: { A: "own" }, shared } } } });
    expect(await pmctl(pmd, "env", "web")).toMatchObject({ out: "A=own\nTZ=all\n", err: "# and what /srv/all.env says\n", exitCode: 0 });
  });
});

describe("a long wait", () => {
  test("that the user ends says that the work goes on", async () => {
    const pmd = pmdWith("web");
    const { exitCode, err } = await runPmctl(["stop", "web"], { transport: pmd.transport, session: { signal: AbortSignal.abort() } });
    expect({ exitCode, err }).toEqual({ exitCode: 130, err: "interrupted; what was asked for goes on\n" });
  });
});
