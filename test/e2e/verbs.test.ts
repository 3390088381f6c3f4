import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { BadRequestSchema, ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { TargetResult_Outcome as Outcome, State } from "../../gen/pm/v1/common_pb.ts";
import type { ServiceSpecSchema } from "../../gen/pm/v1/service_pb.ts";
import { CreateServiceRequestSchema, SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { getService, isAlive, isRunning, named, pidOf, shell } from "../support/specs.ts";

describe("ten calls at once on one service", () => {
  it.each(["start", "stop"])("leave at most one process, and the last one (%s) wins", async (last) => {
    await using daemon = await startDaemon();
    const client = daemon.client(SupervisorService);
    // A twin that finds the lock taken says so.
    const line = "exec 9>>lock; flock -n 9 || { echo twin >>twins; exit 99; }; exec sleep 1000";
    await client.createService({ name: "web", spec: shell(daemon, line) });
    const selector = named("web");
    const call = {
      start: () => client.startServices({ selector }),
      stop: () => client.stopServices({ selector }),
      restart: () => client.restartServices({ selector }),
    };
    for (let round = 0; round < 5; round++) {
      const calls = (["stop", "restart", "start", "restart", "stop", "start", "restart", "stop", "restart"] as const).map((verb) => call[verb]());
      await Promise.all([...calls, call[last as "start" | "stop"]()]);
    }
    const { status } = await getService(daemon, "web");
    expect(status?.state).toBe(last === "start" ? State.RUNNING : State.STOPPED);
    // It counts as running when its process is there; a moment later it has taken the lock.
    await eventually(() => liveHolders(join(daemon.root, "lock")).length === (last === "start" ? 1 : 0));
    expect(existsSync(join(daemon.root, "twins"))).toBe(false);
  });
});

describe("a stop during backoff", () => {
  it("keeps it stopped, also after pmd was killed and started again", async () => {
    await using daemon = await startDaemon();
    const client = daemon.client(SupervisorService);
    const spec = shell(daemon, "echo x >>lives; exit 1", { restart: { delay: { nanos: 300_000_000 }, jitter: 0 } });
    await client.createService({ name: "web", spec, wait: { level: 1 } });
    await eventually(async () => (await getService(daemon, "web")).status?.state === State.BACKOFF);
    await client.stopServices({ selector: named("web") });
    const lives = readFileSync(join(daemon.root, "lives"), "utf8");
    await daemon.kill9();
    await daemon.start();
    // Whatever would still come of the backoff would come before a new service that waits longer is up.
    await client.createService({ name: "clock", spec: shell(daemon, "exec sleep 1000", { start: { settle: { nanos: 600_000_000 } } }) });
    expect((await getService(daemon, "web")).status?.state).toBe(State.STOPPED);
    expect(readFileSync(join(daemon.root, "lives"), "utf8")).toBe(lives);
  });
});

describe("what cannot be started is refused with the true reason, and everything else goes on:", () => {
  const cases: [string, (daemon: TestDaemon) => MessageInitShape<typeof ServiceSpecSchema>, RegExp][] = [
    [
      "a program that is not there",
      () => ({ process: { command: { argv: ["/no/such/binary"] } } }),
      /cannot start bad: \/no\/such\/binary: no such file \(exit 127\)/,
    ],
    [
      "a program that is not on the PATH",
      () => ({ process: { command: { argv: ["no-such-program"] } } }),
      /no-such-program: not found on PATH \(exit 127\)/,
    ],
    ["a file that is not executable", (d) => ({ process: { command: { argv: [touch(d, "plain", 0o644)] } } }), /plain: not executable \(exit 126\)/],
    ["a directory", (d) => ({ process: { command: { argv: [d.root] } } }), /is a directory \(exit 126\)/],
    [
      "a script whose interpreter is not there",
      (d) => ({ process: { command: { argv: [touch(d, "script", 0o755, "#!/no/such/interpreter\n")] } } }),
      /its interpreter \/no\/such\/interpreter: no such file/,
    ],
    [
      "a working directory that is not there",
      () => ({ process: { command: { argv: ["true"] }, workingDirectory: "/no/such/dir" } }),
      /working directory \/no\/such\/dir: no such directory/,
    ],
    [
      "a working directory that is a file",
      () => ({ process: { command: { argv: ["true"] }, workingDirectory: "/etc/passwd" } }),
      /working directory \/etc\/passwd: not a directory/,
    ],
    [
      "an env file that is not there",
      () => ({ process: { command: { argv: ["true"] }, environment: { files: [{ path: "/no/such.env" }] } } }),
      /env file \/no\/such.env: no such file/,
    ],
  ];

  it.each(cases)("%s", async (_, spec, message) => {
    await using daemon = await startDaemon();
    const client = daemon.client(SupervisorService);
    await client.createService({ name: "good", spec: shell(daemon, "exec sleep 1000") });
    const error = await client.createService({ name: "bad", spec: spec(daemon) }).catch(ConnectError.from);
    expect(error).toBeInstanceOf(ConnectError);
    expect((error as ConnectError).rawMessage).toMatch(message);
    expect((error as ConnectError).code).toBe(Code.FailedPrecondition);
    expect((await client.listServices({})).services.map(({ name }) => name)).toEqual(["good"]);
    expect(await isRunning(daemon, "good")).toBe(true);
  });

  it("bad values, all of them at once", async () => {
    await using daemon = await startDaemon();
    const request = create(CreateServiceRequestSchema, {
      name: "-bad-",
      spec: {
        instances: 5000,
        process: { command: { argv: ["a"], shell: "b" }, stop: { signal: "SIGNOPE" }, environment: { vars: { "1=x": "y" } } },
      },
    });
    const error = (await daemon.client(SupervisorService).createService(request).catch(ConnectError.from)) as ConnectError;
    expect(error.code).toBe(Code.InvalidArgument);
    expect(error.findDetails(ErrorInfoSchema)[0]?.reason).toBe("INVALID_FIELD");
    const fields = error.findDetails(BadRequestSchema)[0]?.fieldViolations.map(({ field }) => field) ?? [];
    for (const field of ["name", "spec.instances", "spec.process.command"]) expect(fields).toContain(field);
    expect(fields.some((field) => field.startsWith("spec.process.environment.vars"))).toBe(true);
  });
});

describe("a program", () => {
  it("sees a clean environment, its files, its variables and who it is", async () => {
    await using daemon = await startDaemon({ env: { SECRET_OF_PMD: "x", NOTIFY_SOCKET: "/x" } });
    const client = daemon.client(SupervisorService);
    touch(daemon, "app.env", 0o644, "FROM_FILE=file\nBOTH=file\n");
    const environment = { vars: { ...daemon.mark, BOTH: "var" }, files: [{ path: "app.env" }, { path: "missing.env", optional: true }] };
    const spec = shell(daemon, "env >seen; ulimit -Sn >>seen; umask >>seen; exec sleep 1000", { instances: 1, process: { environment } });
    await client.createService({ name: "web", namespace: "prod", spec });
    const seen = await eventually(() => /\n00/.test(read(daemon, "seen")) && read(daemon, "seen").split("\n"));
    for (const line of [
      "FROM_FILE=file",
      "BOTH=var",
      "PM_SERVICE=web",
      "PM_NAMESPACE=prod",
      "PM_INSTANCE=0",
      "PM_INSTANCES=1",
      "NAME=web",
      "1024",
      "0022",
    ]) {
      expect(seen).toContain(line);
    }
    expect(seen.some((line) => line.startsWith("SECRET_OF_PMD") || line.startsWith("NOTIFY_SOCKET"))).toBe(false);
    expect(seen.some((line) => line.startsWith("PM_RUN_ID="))).toBe(true);
  });

  it("sees pmd's environment when it is to inherit it, but not what is for pmd alone", async () => {
    await using daemon = await startDaemon({ env: { OF_PMD: "x", NOTIFY_SOCKET: "/x" } });
    const spec = shell(daemon, "env >seen; exec sleep 1000", { process: { environment: { vars: daemon.mark, inherit: true } } });
    await daemon.client(SupervisorService).createService({ name: "web", spec });
    const seen = await eventually(() => /PM_RUN_ID/.test(read(daemon, "seen")) && read(daemon, "seen").split("\n"));
    expect(seen).toContain("OF_PMD=x");
    expect(seen).not.toContain("NOTIFY_SOCKET=/x");
  });

  it("is given its arguments as they are, whatever is in them", async () => {
    await using daemon = await startDaemon();
    const args = ["a b", "", "*", "$HOME", ";", "'\"`\\", "ünï\n"];
    const process = {
      command: { shell: 'for a in "$@"; do printf "<%s>" "$a"; done >seen; exec sleep 1000', args },
      workingDirectory: daemon.root,
      environment: { vars: daemon.mark },
    };
    await daemon.client(SupervisorService).createService({ name: "web", spec: { process } });
    expect(await eventually(() => read(daemon, "seen"))).toBe(args.map((arg) => `<${arg}>`).join(""));
  });

  it("sees variables whatever is in their names and values, and as they were said", async () => {
    await using daemon = await startDaemon();
    const strange = {
      "with.dot": "1",
      UID: "77",
      PPID: "x",
      IFS: "a",
      OPTIND: "z",
      QUOTES: 'it\'s "a" `b` $c \\',
      LINES: "a\nb",
      EMPTY: "",
      PATH: "/usr/bin:/bin",
    };
    const process = {
      command: { argv: ["/usr/bin/env", "-0"] },
      environment: { vars: { ...daemon.mark, ...strange } },
      logs: { stdout: join(daemon.root, "seen") },
    };
    await daemon.client(SupervisorService).createService({ name: "web", spec: { process, restart: { policy: 3 } }, wait: { level: 1 } });
    const seen = await eventually(() => read(daemon, "seen").includes("PM_RUN_ID") && read(daemon, "seen").split("\0"));
    for (const [name, value] of Object.entries(strange)) expect(seen).toContain(`${name}=${value}`);
    expect(seen.filter((line) => /^(pid|word|status)=/.test(line))).toEqual([]);
  });

  it("gets no signal that its parents ignore, and no file that pmd was started with", async () => {
    await using daemon = await startDaemon();
    const spec = shell(daemon, "grep ^Sig /proc/self/status >seen; ls /proc/self/fd | wc -l >>seen; echo done >>seen; exec sleep 1000");
    await daemon.client(SupervisorService).createService({ name: "web", spec });
    const seen = await eventually(() => read(daemon, "seen").includes("done") && read(daemon, "seen"));
    expect(seen).toContain("SigIgn:\t0000000000000000");
    // stdin, stdout, stderr, and the one that ls reads with.
    expect(seen.split("\n").at(-3)?.trim()).toBe("4");
  });
});

describe("scaling and instances", () => {
  it("starts and stops what is asked for, and each instance knows its number", async () => {
    await using daemon = await startDaemon();
    const client = daemon.client(SupervisorService);
    await client.createService({ name: "web", spec: shell(daemon, 'echo "$PM_INSTANCE" >>numbers; exec sleep 1000') });
    const { results } = await client.scaleService({ name: "web", instances: 4 });
    expect(results.map(({ outcome }) => outcome)).toEqual([Outcome.DONE, Outcome.DONE, Outcome.DONE]);
    await eventually(() => read(daemon, "numbers").trim().split("\n").sort().join() === "0,1,2,3");
    const pid = (await getService(daemon, "web")).status?.instances[3]?.run?.pid ?? 0;
    await client.scaleService({ name: "web", instances: 1 });
    expect(isAlive(pid)).toBe(false);
    expect((await getService(daemon, "web")).status?.instances.length).toBe(1);
  });

  it("one instance can be stopped, started and restarted alone", async () => {
    await using daemon = await startDaemon();
    const client = daemon.client(SupervisorService);
    await client.createService({ name: "web", spec: shell(daemon, "exec sleep 1000", { instances: 2 }) });
    const first = await pidOf(daemon, "web");
    await client.stopServices({ selector: named("web#1") });
    expect((await getService(daemon, "web")).status?.instances.map(({ state }) => state)).toEqual([State.RUNNING, State.STOPPED]);
    await client.restartServices({ selector: named("web#1") });
    expect((await getService(daemon, "web")).status?.instancesReady).toBe(2);
    expect(await pidOf(daemon, "web")).toBe(first);
  });
});

function touch(daemon: TestDaemon, name: string, mode: number, content = ""): string {
  const path = join(daemon.root, name);
  mkdirSync(daemon.root, { recursive: true });
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

function read(daemon: TestDaemon, name: string): string {
  const path = join(daemon.root, name);
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

/** Locks on the file, as the kernel lists them. */
function liveHolders(path: string): string[] {
  const { ino } = statSync(path);
  return readFileSync("/proc/locks", "utf8")
    .split("\n")
    .filter((line) => line.includes(`:${ino} `));
}
