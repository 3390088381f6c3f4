import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { toSpec } from "../../../src/api/convert-spec.ts";
import { findViolations } from "../../../src/api/violations.ts";
import { loadManifest, readManifest } from "../../../src/config/load-manifest.ts";
import { defaults } from "../../../src/core/spec.ts";
import { PmError } from "../../../src/errors.ts";
import { makeTempDir } from "../../support/temp-dir.ts";

const rules = { findViolations, toSpec };

/** The environment of pmd. */
const variables = { DIR: "/data", COUNT: "3", ON: "false", NONE: "", constructor: "own" };

const read = (text: string) => readManifest(text, "/srv/app/pm.yaml", rules, variables);
const readService = async (text: string) => (await read(`version: 1\nservices:\n  web:\n${text.replaceAll(/^/gm, "    ")}`)).services[0]?.spec;

describe("health checks in a file", () => {
  test("are written as people expect, with sizes, shell lines and words", async () => {
    const spec = await readService(`command: x
health: {http: {path: /health, port: 8080}, interval: 5s, timeout: 1s, retries: 3}
liveness: {exec: {command: pg_isready -q}}
on_unhealthy: none
restart_above: 512M`);
    expect(spec?.health).toMatchObject({ probe: { type: "http", path: "/health", port: 8080 }, intervalMs: 5000, timeoutMs: 1000, retries: 3 });
    expect(spec?.liveness?.probe).toEqual({ type: "exec", command: { argv: [], shell: "pg_isready -q", args: [] } });
    expect([spec?.onUnhealthy, spec?.restartAboveBytes]).toEqual(["none", 512 * 1024 * 1024]);
    const other = await readService(`command: x
health: {log_line: listening on}
on_unhealthy: {signal: usr1}`);
    expect([other?.health?.probe, other?.onUnhealthy]).toEqual([{ type: "log_line", contains: "listening on" }, { signal: "SIGUSR1" }]);
  });

  test.each([
    ["health: {interval: 1s}", "health: give one of http, tcp, exec, grpc and log_line"],
    ["health: {tcp: {port: 1}, http: {port: 2}}", "health: give one of"],
    ["health: {http: {path: /}}", "health: has no port: give it one, or give the service a port"],
    ["health: {tcp: {port: 1}, interval: 1ms}", "health.interval: must be greater than or equal to 0.1s"],
    ["liveness: {log_line: up}", "liveness.log_line: a line that was written once"],
    ["on_unhealthy: {action: none, signal: HUP}", "on_unhealthy: give either action or signal"],
    ["restart_above: 1K", "restart_above: must be greater than or equal to 1048576"],
  ])("that say %s are refused", async (text, message) => {
    await expect(readService(`command: x\n${text}`)).rejects.toThrow(message);
  });
});

describe("a file", () => {
  test("as people write it becomes specs", async () => {
    const manifest = await read(`
version: 1
namespace: prod
services:
  db:
    command: exec postgres -D /var/lib/db
    stop: {signal: int, grace: 30s}
  api:
    command: [node, server.js]
    cwd: ./api
    instances: 2
    env: {LOG: info, PORT: 3000}
    env_file: [.env, {path: local.env, optional: true}]
    inherit_environment: true
    restart: {policy: on-failure, delay: 500ms, max_delay: 1m30s, max_restarts: 10, window: 10m}
    start: {settle: 2s}
    reload: {signal: hup}
    logs: {stdout: ./logs/out.log, rotate: {size: 10MiB, backups: 5, interval: daily, max_age: 2d, compress: gzip, total_size: 1G}, on_full: block, hints: [log/a.log]}
    labels: {tier: web}
    autostart: false
    description: answers
`);
    expect(manifest).toMatchObject({ path: "/srv/app/pm.yaml", namespace: "prod" });
    expect(manifest.services.map(({ name }) => name)).toEqual(["db", "api"]);
    const [db, api] = manifest.services.map(({ spec }) => spec);
    expect(db?.process).toMatchObject({
      command: { shell: "exec postgres -D /var/lib/db", argv: [] },
      stop: { signal: "SIGINT", graceMs: 30_000 },
    });
    expect(api).toEqual({
      process: {
        command: { argv: ["node", "server.js"], shell: "", args: [] },
        workingDirectory: "/srv/app/api",
        environment: {
          vars: { LOG: "info", PORT: "3000" },
          files: [
            { path: ".env", optional: false },
            { path: "local.env", optional: true },
          ],
          inherit: true,
        },
        stop: defaults.stop,
        logs: {
          stdout: "./logs/out.log",
          stderr: "",
          hints: ["log/a.log"],
          rotateBytes: 10 * 1024 * 1024,
          interval: "daily",
          backups: 5,
          maxAgeMs: 2 * 86_400_000,
          compress: "gzip",
          totalBytes: 1024 ** 3,
          onFull: "block",
        },
      },
      instances: 2,
      autostart: false,
      restart: { ...defaults.restart, mode: "on-failure", delayMs: 500, maxDelayMs: 90_000, maxRestarts: 10, windowMs: 600_000 },
      start: { ...defaults.start, settleMs: 2000 },
      reload: { signal: "SIGHUP" },
      labels: { tier: "web" },
      description: "answers",
    });
  });

  test("in the JSON of the API says the same", async () => {
    const process = {
      command: { argv: ["x"] },
      workingDirectory: "/w",
      environment: { vars: { A: "1" }, files: [{ path: ".env" }] },
      stop: { signal: "SIGINT", grace: "1.500s" },
      logs: { rotate: { size: "4096" } },
    };
    const service = { process, restart: { policy: "MODE_NEVER", maxDelay: "60s" } };
    const inJson = await read(JSON.stringify({ version: 1, services: { web: service } }, null, "\t"));
    const asPeopleWrite = await readService(
      "command: [x]\ncwd: /w\nenv: [A=1]\nenv_file: .env\nstop: {signal: 2, grace: 1.5s}\nlogs: {rotate: {size: 4K}}\nrestart: never",
    );
    expect(inJson.services[0]?.spec).toEqual(asPeopleWrite);
  });

  test("has its directory as the working directory of its services unless they have their own", async () => {
    expect((await readService("command: x"))?.process.workingDirectory).toBe("/srv/app");
    expect((await readService("command: x\ncwd: ../other"))?.process.workingDirectory).toBe("/srv/other");
    expect((await readService("command: x\ncwd: /abs"))?.process.workingDirectory).toBe("/abs");
  });

  test("gives text as it is written, though it looks like something else", async () => {
    const spec = await readService("command: [sleep, 60, 0x10, yes, true, 1.10, '']\nenv: {V: 1.10, ON: true, BIG: 12345678901234567890, E: ''}");
    expect(spec?.process.command.argv).toEqual(["sleep", "60", "0x10", "yes", "true", "1.10", ""]);
    expect(spec?.process.environment.vars).toEqual({ V: "1.10", ON: "true", BIG: "12345678901234567890", E: "" });
  });

  test("may leave a mapping or a list empty, as when everything in it is a comment", async () => {
    const spec = await readService("command: x\nenv:\nlabels:\nlogs:\nenv_file:\n");
    expect(spec).toMatchObject({ labels: {}, process: { environment: { vars: {} } } });
  });

  test("may say something once and point at it again", async () => {
    const manifest = await read("version: 1\nservices:\n  a: &a {command: x, labels: {t: w}}\n  b: *a\n  c: {command: y, labels: {t: z}}\n");
    expect(manifest.services.map(({ spec }) => spec.labels)).toEqual([{ t: "w" }, { t: "w" }, { t: "z" }]);
  });

  test("keeps names that objects have already", async () => {
    const manifest = await read("version: 1\nservices:\n  constructor: {command: x, env: {__proto__: y, toString: z}}\n");
    expect(manifest.services[0]?.name).toBe("constructor");
    expect(Object.entries(manifest.services[0]?.spec.process.environment.vars ?? {})).toEqual([
      ["__proto__", "y"],
      ["toString", "z"],
    ]);
  });

  test("of thousands of services is read", async () => {
    const services = Array.from({ length: 3000 }, (_, index) => `  s${index}: {command: [sleep, inf], env: {A: b}, restart: never}`);
    expect((await read(`version: 1\nservices:\n${services.join("\n")}`)).services).toHaveLength(3000);
  }, 60_000);
});

describe("a variable", () => {
  const commandOf = async (line: string) => (await readService(`command: ${line}`))?.process.command.shell;

  test.for([
    ["run ${DIR}/x", "run /data/x"],
    ["run ${DIR}${COUNT}", "run /data3"],
    ["run ${DIR:-/var}", "run /data"],
    ["run ${GONE:-/var}", "run /var"],
    ["run ${GONE:-}", "run "],
    ["run ${NONE:-what is empty counts as missing}", "run what is empty counts as missing"],
    ["run ${NONE}", "run "],
    ["run ${GONE:-a $$ b}", "run a $ b"],
    ["run $DIR $1 $( ) $", "run $DIR $1 $( ) $"],
    ["run $${DIR} $$$${DIR} $$DIR", "run ${DIR} $${DIR} $DIR"],
    ["run ${constructor} ${toString:-none}", "run own none"],
  ] as const)("in %j makes %j", async ([line, made]) => {
    expect(await commandOf(JSON.stringify(line))).toBe(made);
  });

  test("stands for a number or for true and false too, and for text as it is written", async () => {
    const spec = await readService('command: x\ninstances: ${COUNT}\nautostart: ${ON}\nenv: {N: "${COUNT}"}\nstop: {grace: "${COUNT}s"}');
    expect(spec).toMatchObject({ instances: 3, autostart: false, process: { environment: { vars: { N: "3" } }, stop: { graceMs: 3000 } } });
  });

  test("in a key is not filled in", async () => {
    expect((await readService('command: x\nlabels: {"a": b}\nenv: {A: "${DIR}"}'))?.labels).toEqual({ a: "b" });
    expect(await problemsOf(read('version: 1\nservices: {"${DIR}": {command: x}}\n'))).toEqual([
      expect.stringMatching(/^2:12 services\."\$\{DIR\}": "\$\{DIR\}" is no name/),
    ]);
  });

  test("is not looked for in what another has brought", async () => {
    const manifest = await readManifest("version: 1\nservices: {web: {command: 'x ${A}'}}\n", "/pm.yaml", rules, { A: "${B} $$" });
    expect(manifest.services[0]?.spec.process.command.shell).toBe("x ${B} $$");
  });
});

describe("what a file says for all of its services", () => {
  const specsOf = async (text: string) => (await read(`version: 1\n${text}`)).services.map(({ spec }) => spec);

  test("is under what each says: mappings are merged, all else is replaced", async () => {
    const [plain, own] = await specsOf(`
defaults:
  command: [node, main.js]
  instances: 2
  autostart: false
  restart: {policy: on-failure, delay: 3s, success_exit_codes: [1, 2]}
  labels: {tier: web}
  env: {A: default, B: default, __proto__: p}
  env_file: [a.env, b.env]
  logs: {rotate: {size: 1M, backups: 3}}
services:
  plain: {}
  own:
    command: exec other
    instances: 0
    autostart: true
    restart: {delay: 1s, success_exit_codes: [7]}
    labels: {zone: "1"}
    env: {B: own}
    env_file: c.env
    logs: {rotate: {backups: 0}}
`);
    expect(plain).toMatchObject({
      process: {
        command: { argv: ["node", "main.js"] },
        environment: { files: [{ path: "a.env" }, { path: "b.env" }] },
        logs: { rotateBytes: 1024 ** 2, backups: 3 },
      },
      instances: 2,
      autostart: false,
      restart: { mode: "on-failure", delayMs: 3000, successExitCodes: [1, 2] },
    });
    expect(own).toMatchObject({
      process: {
        command: { argv: [], shell: "exec other" },
        environment: { files: [{ path: "c.env", optional: false }] },
        logs: { rotateBytes: 1024 ** 2, backups: 0 },
      },
      instances: 0,
      autostart: true,
      restart: { mode: "on-failure", delayMs: 1000, successExitCodes: [7] },
    });
    expect(own?.labels).toEqual({ tier: "web", zone: "1" });
    expect(Object.entries(own?.process.environment.vars ?? {})).toEqual([
      ["A", "default"],
      ["B", "own"],
      ["__proto__", "p"],
    ]);
  });

  test("is replaced as a whole where half of it would be nonsense", async () => {
    const [byShell, bySignal] = await specsOf(
      "defaults: {command: {argv: [a], args: [b]}, reload: {command: x}}\nservices: {a: {command: y}, b: {reload: {signal: hup}}}",
    );
    expect(byShell?.process.command).toEqual({ argv: [], shell: "y", args: [] });
    expect(bySignal?.reload).toEqual({ signal: "SIGHUP" });
  });

  test("has the directory of the file as its beginning", async () => {
    const [a, b] = await specsOf("defaults: {command: x, cwd: sub}\nservices: {a: {}, b: {cwd: other}}");
    expect([a?.process.workingDirectory, b?.process.workingDirectory]).toEqual(["/srv/app/sub", "/srv/app/other"]);
  });

  test("in env and env_file is a layer of its own, below the service's files and variables", async () => {
    const common = "env: {TZ: UTC}\nenv_file: [{path: root.env, optional: true}]\n";
    const [spec] = await specsOf(`${common}services: {a: {command: x, env: {A: b}, env_file: own.env}}`);
    expect(spec?.process.environment).toEqual({
      vars: { A: "b" },
      files: [{ path: "own.env", optional: false }],
      inherit: false,
      shared: [{ vars: { TZ: "UTC" }, files: [{ path: "/srv/app/root.env", optional: true }] }],
    });
    const longForm = "environment: {vars: {TZ: UTC}, files: [{path: root.env, optional: true}]}\n";
    expect(await specsOf(`${longForm}services: {a: {command: x, env: {A: b}, env_file: own.env}}`)).toEqual([spec]);
  });

  test("may say where the value of a variable is: relative to the file, and handed on whole", async () => {
    const [spec] = await specsOf(
      "env: {A: '@file://key', B: '${A}', C: '@@file://x', D: '@hex://61'}\nservices: {a: {command: x, env: {E: '@file://own'}}}",
    );
    expect(spec?.process.environment.shared?.[0]?.vars).toEqual({
      A: "@file:///srv/app/key",
      B: "@file:///srv/app/key",
      C: "@@file://x",
      D: "@hex://61",
    });
    expect(spec?.process.environment.vars).toEqual({ E: "@file://own" });
  });

  test("may be to begin with the environment of pmd, and a service may say otherwise", async () => {
    const specs = await specsOf("inherit_environment: true\nservices: {a: {command: x}, b: {command: x, inherit_environment: false}}");
    expect(specs.map(({ process }) => process.environment.inherit)).toEqual([true, false]);
  });

  test("in env is seen by variables everywhere in the file, and by those below it in env", async () => {
    const [spec] = await specsOf(`
services: {a: {command: "x \${ROOT} \${DIR} \${COUNT}", env: {ROOT: own, B: "\${ROOT}"}}}
env:
  DIR: \${DIR}/more
  ROOT: \${DIR}/root
`);
    expect(spec?.process.command.shell).toBe("x /data/more/root /data/more 3");
    expect(spec?.process.environment.vars).toEqual({ ROOT: "own", B: "/data/more/root" });
    const [pairs] = await specsOf('env: ["A=1", "B=${A}2"]\nservices: {a: {command: "x ${B}"}}');
    expect(pairs?.process.command.shell).toBe("x 12");
  });

  test("in env_file is seen by variables too, below env, and read only when it is asked", async () => {
    await using directory = makeTempDir();
    const path = join(directory.path, "pm.yaml");
    writeFileSync(join(directory.path, "root.env"), "A=file\nDIR=file\nCOUNT=file\n");
    const load = (line: string) => {
      writeFileSync(
        path,
        `version: 1\nenv_file: [root.env, {path: gone.env, optional: true}]\nenv: {DIR: env}\nservices:\n  a: {command: "${line}"}\n`,
      );
      return loadManifest(path, rules, variables);
    };
    expect((await load("${A} ${DIR} ${COUNT} ${ON}")).services[0]?.spec.process.command.shell).toBe("file env file false");
    rmSync(join(directory.path, "root.env"));
    expect((await load("x")).services).toHaveLength(1);
    const problems = await problemsOf(load("${A:-none}"));
    expect(problems).toEqual([`${path}:2:12 env_file[0]: cannot read ${directory.path}/root.env: no such file`]);
  });

  test("is refused where it would fill the memory", async () => {
    const vars = Array.from({ length: 4000 }, (_, index) => `V${index}: x`).join(", ");
    const services = Array.from({ length: 1000 }, (_, index) => `s${index}: {command: x}`).join(", ");
    expect(await problemsOf(read(`version: 1\nenv: {${vars}}\nservices: {${services}}\n`))).toEqual([
      "1:1: has 1000 services, for which more than 2000000 values are said in common",
    ]);
  });
});

describe("what is wrong is told with its line and column:", () => {
  const inService = (line: string) => `version: 1\nservices:\n  web:\n    command: x\n    ${line}\n`;

  test.for([
    // The file as a whole.
    ["", "1:1: says nothing: begin with `version: 1`, and go on with `services:`"],
    ["# nothing\n", "1:1: says nothing: begin with `version: 1`, and go on with `services:`"],
    ["services: {}\n", "1:1: the file has to say which form it has: `version: 1` is the one that this pmd reads"],
    ["version: 2\n", "1:1 version: the file has to say which form it has: `version: 1` is the one that this pmd reads"],
    ["version: one\n", '1:10 version: is "one", and should be a whole number, 0 or more'],
    ["- 1\n", "1:1: is a list, and should be a mapping"],
    ["version: 1\n---\nversion: 1\n", /^2:1: source contains multiple documents/],
    ["a: [1\n", /^2:1: flow sequence in block collection/],
    ["a: 'x\n", /^2:1: missing closing 'quote/],
    [inService("description: !run x"), /^5:18: unresolved tag: !run/],
    [inService("description: *b"), "5:18 services.web.description: no anchor is named b before this line"],
    [inService("env_file: &a [*a]"), "5:18 services.web.env_file[0]: contains itself"],
    ["version: 1\n? [1]\n: 2\n", "2:3: has a key that is no text"],
    // Keys.
    ["version: 1\nservcies: {}\n", "2:1 servcies: is no key that is known here; did you mean services?"],
    [inService("comand: x"), "5:5 services.web.comand: is no key that is known here; did you mean command?"],
    [inService("enviroment: {}"), "5:5 services.web.enviroment: is no key that is known here; did you mean environment?"],
    [inService("ports: [80]"), "5:5 services.web.ports: is no key that is known here; did you mean port?"],
    [inService("port: [80]"), "5:11 services.web.port: is a list, and should be a mapping"],
    [inService("port: http"), '5:11 services.web.port: is "http", and should be a mapping'],
    [inService("port: 70000"), "5:5 services.web.port: must be less than or equal to 65535, not 70000"],
    [inService("port: 3001-3000"), "5:5 services.web.port: 3001-3000 is no range: the last port is below the first"],
    [inService("port: 3000\n    instances: 2"), "5:5 services.web.port: 2 instances cannot share 3000: give 3000-3001, or fewer instances"],
    [inService("stop: {sginal: x}"), "5:12 services.web.stop.sginal: is no key that is known here; did you mean signal?"],
    [inService("command: y"), "5:5 services.web.command: is there already, in line 4"],
    [inService("process: {command: y}"), "4:5 services.web: command says the same as process in line 5: keep one"],
    [inService("env: {}\n    environment: {}"), "5:5 services.web: env says the same as environment in line 6: keep one"],
    [inService("max_restarts: 1"), "5:5 services.web.max_restarts: is no key that is known here"],
    // Types and forms.
    ["version: 1\nservices: [web]\n", "2:11 services: is a list, and should be a mapping"],
    ["version: 1\nservices: web\n", '2:11 services: is "web", and should be a mapping'],
    ["version: 1\nservices: {web: x}\n", '2:17 services.web: is "x", and should be a mapping'],
    [inService("instances: two"), '5:16 services.web.instances: is "two", and should be a whole number, 0 or more'],
    [inService("instances: -1"), "5:16 services.web.instances: is the number -1, and should be a whole number, 0 or more"],
    [inService("instances: 1.5"), "5:16 services.web.instances: is the number 1.5, and should be a whole number, 0 or more"],
    [inService("instances: 5000000000"), "5:16 services.web.instances: is the number 5000000000, and should be a whole number, 0 or more"],
    [inService("instances:"), "5:15 services.web.instances: is nothing, and should be a whole number, 0 or more"],
    [inService("autostart: yes"), '5:16 services.web.autostart: is "yes", and should be true or false'],
    [inService("description: [x]"), "5:18 services.web.description: is a list, and should be text"],
    [inService("env: x"), '5:10 services.web.env: is "x", and should be a mapping'],
    [inService("env: [A]"), '5:11 services.web.env[0]: is "A", and should be NAME=value'],
    [inService("env: {A: }"), "5:14 services.web.env.A: is nothing, and should be text"],
    [inService("env: {A: {}}"), "5:14 services.web.env.A: is a mapping, and should be text"],
    [inService("env_file: [[]]"), "5:16 services.web.env_file[0]: is a list, and should be a mapping"],
    [inService("stop: {grace: 30}"), "5:19 services.web.stop.grace: 30 has no unit: write 30s or 30ms"],
    [inService("stop: {grace: 5 minutes}"), '5:19 services.web.stop.grace: is "5 minutes", and should be a duration such as 500ms, 90s or 1h30m'],
    [inService("logs: {rotate: {size: 10XB}}"), '5:27 services.web.logs.rotate.size: is "10XB", and should be a size such as 4096, 512K or 10MiB'],
    [inService("restart: {jitter: much}"), '5:23 services.web.restart.jitter: is "much", and should be a number'],
    [inService("restart: {success_exit_codes: [x]}"), '5:36 services.web.restart.success_exit_codes[0]: is "x", and should be a whole number'],
    [
      inService("restart: {policy: on-failur}"),
      '5:23 services.web.restart.policy: is "on-failur", and may be always, on-failure, never; did you mean on-failure?',
    ],
    [inService("restart: sometimes"), '5:14 services.web.restart: is "sometimes", and may be always, on-failure, never'],
    [inService('env: {A: "\\uD800"}'), /^5:14 services\.web\.env\.A: is .*and should be text without halves of characters$/],
    // Variables.
    [
      inService("cwd: ${GONE}"),
      "5:10 services.web.cwd: ${GONE} has no value, neither in the environment of pmd nor in `env` at the top of the file: set it, write ${GONE:-default}, or $${GONE} for what is not pmd's to fill in",
    ],
    [
      inService("description: ${DIR%/*}"),
      "5:18 services.web.description: ${DIR%/*} is no form that is read here: write ${VAR} or ${VAR:-default}, and $$ for a dollar that is meant as one",
    ],
    [inService("description: ${DIR-x}"), /^5:18 services\.web\.description: \$\{DIR-x\} is no form/],
    [inService("description: ${}"), /^5:18 services\.web\.description: \$\{\} is no form/],
    [inService("description: a ${DIR"), /^5:18 services\.web\.description: \$\{DIR is no form/],
    [inService('env: ["A=${DIR:-${B}}"]'), /^5:11 services\.web\.env\[0\]: \$\{DIR:-\$\{B\} is no form/],
    [inService("env: {A: ${DIR}}"), "5:14: a variable within {} or [] has to stand in quotes"],
    [inService("env: [A=${DIR}]"), "5:13: a variable within {} or [] has to stand in quotes"],
    ["${B:-\n  version: ", /^1:1: implicit keys need to be on a single line/],
    [inService("instances: ${DIR}"), '5:16 services.web.instances: is "/data", and should be a whole number, 0 or more'],
    [
      "version: 1\nenv: {KEY: '@file://key', URL: 'x${KEY}'}\n",
      "2:32 env.URL: ${KEY} is read from somewhere else when a process is started, and can be the whole of a value, but no part of one",
    ],
    [inService("env: {A: '@hex://0'}"), "5:11 services.web.env.A: has no hexadecimal digits after @hex://, two for each byte"],
    [inService("env: {A: '@base64://!'}"), "5:11 services.web.env.A: has no base64 after @base64://"],
    // For all services: at the place where it is said, once.
    ["version: 1\ndefalts: {}\n", "2:1 defalts: is no key that is known here; did you mean defaults?"],
    ["version: 1\nenv_fil: x\n", "2:1 env_fil: is no key that is known here; did you mean env_file?"],
    ["version: 1\nenv: {A: {}}\n", "2:10 env.A: is a mapping, and should be text"],
    ["version: 1\ndefaults: {stop: {grace: 1}}\nservices: {a: {command: x}}\n", "2:26 defaults.stop.grace: 1 has no unit: write 1s or 1ms"],
    ["version: 1\ndefaults: {comand: x}\n", "2:12 defaults.comand: is no key that is known here; did you mean command?"],
    [
      "version: 1\ndefaults: {stop: {signal: no}}\nservices: {a: {command: x, stop: {grace: 1s}}, b: {command: x}}\n",
      /^2:19 defaults\.stop\.signal: "NO" is no signal/,
    ],
    ["version: 1\ndefaults: {command: 5: x}\nservices: {a: {}}\n", /^2:/],
    ["version: 1\ndefaults: {command: {}}\nservices: {a: {}}\n", "2:12 defaults.command: give either argv or shell"],
    [
      "version: 1\ndefaults: {instances: x}\nservices: {a: }\n",
      [expect.stringMatching(/^2:23 defaults\.instances/), "3:12 services.a: has no command"],
    ],
    ["version: 1\nenv: {1A: x}\nservices: {a: {command: x}, b: {command: x}}\n", /^2:7 env\.1A: "1A" is no name of a variable/],
    ["version: 1\nenv_file: ['']\nservices: {a: {command: x}}\n", /^2:12 env_file\[0\]: /],
    // Rules of the proto.
    ["version: 1\nservices: {a b: {command: x}}\n", /^2:12 services\."a b": "a b" is no name/],
    ["version: 1\nnamespace: -x\n", /^2:1 namespace: "-x" is no name/],
    ["version: 1\nservices: {web: }\n", "2:12 services.web: has no command"],
    [inService("reload: {}"), "5:5 services.web.reload: give either signal or command"],
    [inService("instances: 2000"), /^5:5 services\.web\.instances: .*1000.*, not 2000$/],
    [inService("env: {1A: x}"), /^5:11 services\.web\.env\.1A: "1A" is no name of a variable/],
    [inService('env: {A: "x\\0"}'), "5:11 services.web.env.A: has a NUL byte, and would end there"],
    [inService("logs: {rotate: {size: 1}}"), /^5:21 services\.web\.logs\.rotate\.size: .*4096.*, not 1$/],
    [inService("restart: {window: 0s}"), /^5:15 services\.web\.restart\.window: must be greater than 0s/],
    // What only a conversion can tell.
    [
      inService("stop: {signal: term1}"),
      '5:12 services.web.stop.signal: "TERM1" is no signal of this host: give a name such as SIGTERM, or a number',
    ],
    [inService("env: {A: '********'}"), /^5:11 services\.web\.env\.A: a masked value keeps the one that is stored, and none is/],
  ] as [string, string | RegExp | unknown[]][])("%j", async ([text, problem]) => {
    const problems = await problemsOf(read(text));
    if (Array.isArray(problem)) return expect(problems).toEqual(problem);
    expect(problems).toEqual([typeof problem === "string" ? problem : expect.stringMatching(problem)]);
  });

  test("all of it at once, in the order of the file", async () => {
    const problems = await problemsOf(
      read(
        "version: 1\nservices:\n  web:\n    command: [x]\n    instances: two\n    stop: {signal: nope, grace: 1}\n    colour: red\n  b c:\n    command: {}\n",
      ),
    );
    expect(problems.map((problem) => problem.split(": ")[0])).toEqual([
      "5:16 services.web.instances",
      "6:12 services.web.stop.signal",
      "6:33 services.web.stop.grace",
      "7:5 services.web.colour",
      '8:3 services."b c"',
      '9:5 services."b c".command',
    ]);
  });
});

describe("dependencies of a file", () => {
  const dependenciesOf = async (text: string) => {
    const { services } = await read(
      `version: 1\nservices:\n  db: {command: x, restart: never}\n  cache: {command: x}\n  api: {command: x, ${text}}\n`,
    );
    return services.find(({ name }) => name === "api")?.spec;
  };
  const db = { condition: "healthy", onLoss: "stop", required: true };

  test.for([
    ["a name", "depends_on: db", { db }],
    ["a list of names", "depends_on: [db, cache]", { db, cache: db }],
    ["a condition by name", "depends_on: {db: started}", { db: { ...db, condition: "started" } }],
    ["nothing beside a name", "dependsOn: {db: }", { db }],
    [
      "all in words",
      "depends_on: {db: {condition: completed-ok, on_loss: restart, required: true}}",
      { db: { condition: "completed_ok", onLoss: "restart", required: true } },
    ],
    ["one that is not required", "depends_on: {db: {required: false}}", { db: { condition: "healthy", onLoss: "ignore", required: false } }],
    ["one that is not required and not there", "depends_on: {nobody: {required: false}}", { nobody: { required: false } }],
  ] as [string, string, object][])("may be said as %s", async ([, text, expected]) => {
    expect((await dependenciesOf(text))?.dependsOn).toMatchObject(expected);
  });

  test("that are for the order alone are a name or a list of names", async () => {
    expect((await dependenciesOf("after: db"))?.after).toEqual(["db"]);
    expect((await dependenciesOf("after: [db, cache]"))?.after).toEqual(["db", "cache"]);
  });

  test("on names that nobody has, and such that go round, are told all at once and with their places", async () => {
    const problems = await problemsOf(
      read(`version: 1
services:
  a: {command: x, depends_on: [b]}
  b: {command: x, depends_on: {c: healthy}}
  c:
    command: x
    after: [a, nobody]
  d: {command: x, depends_on: [d, bb, {e: started}]}
  f: {command: x, depends_on: [f, bb]}
  g: {command: x, depends_on: {a: completed}}
`),
    );
    expect(problems).toEqual([
      "3:32 services.a.depends_on.b: goes round: a → b → c → a; none of them could start",
      '7:16 services.c.after[1]: no service is named "nobody"',
      "8:31 services.d.depends_on: is a list, and should be a mapping",
      "9:32 services.f.depends_on.f: goes round: f → f; none of them could start",
      '9:35 services.f.depends_on.bb: no service is named "bb"; did you mean b?',
      "10:32 services.g.depends_on.a: a never completes: its restart policy is always; say never or on-failure there",
    ]);
  });
});

describe("a text that would take the process down is refused in good time:", () => {
  const nested = (open: string, count: number) => open.repeat(count);
  const stairs = Array.from({ length: 1100 }, (_, level) => `${" ".repeat(level)}a:\n`).join("");

  test.for([
    ["lists within lists", nested("[", 100_000)],
    ["mappings within mappings", nested("{a: ", 100_000)],
    ["lists on one line", nested("- ", 100_000)],
    ["keys on one line", nested("? ", 100_000)],
    ["levels of indentation", stairs],
    ["65 levels", `${nested("[", 65)}${"]".repeat(65)}`],
    ["65 levels of indentation", Array.from({ length: 66 }, (_, level) => `${" ".repeat(level)}a:\n`).join("")],
  ])("%s", async ([, text]) => {
    expect(await problemsOf(read(text as string))).toContainEqual(expect.stringContaining("is nested deeper than 64 levels"));
  });

  test("64 levels are read, whatever they mean", async () => {
    const [problem] = await problemsOf(read(`${nested("[", 64)}${"]".repeat(64)}`));
    expect(problem).toBe("1:1: is a list, and should be a mapping");
  });

  test("aliases of aliases", async () => {
    const levels = Array.from({ length: 9 }, (_, level) => `a${level + 1}: &a${level + 1} [${Array(10).fill(`*a${level}`).join(", ")}]`);
    const problems = await problemsOf(read(`a0: &a0 [${Array(10).fill("lol").join(", ")}]\n${levels.join("\n")}\n`));
    expect(problems).toContainEqual(expect.stringContaining("says more than 500000 values, aliases written out"));
  });
});

test("variables that would fill the memory are refused", async () => {
  const much = "x".repeat(100_000);
  const text = `version: 1\nservices: {web: {command: "${"${MUCH}".repeat(1000)}", description: "\${MUCH}"}}\n`;
  const problems = await problemsOf(readManifest(text, "/srv/app/pm.yaml", rules, { MUCH: much }));
  expect(problems.filter((problem) => problem.includes("variables"))).toEqual([
    "2:27 services.web.command: says more than 16777216 characters, variables written out",
  ]);
});

describe("a path", () => {
  test("is read, and what is in the file begins at its directory", async () => {
    await using directory = makeTempDir();
    const path = join(directory.path, "pm.yaml");
    writeFileSync(path, "\uFEFFversion: 1\nservices: {web: {command: x}}\n");
    const manifest = await loadManifest(path, rules);
    expect(manifest.path).toBe(path);
    expect(manifest.services[0]?.spec.process.workingDirectory).toBe(directory.path);
  });

  test("in a message is the whole path", async () => {
    await using directory = makeTempDir();
    const path = join(directory.path, "pm.yaml");
    writeFileSync(path, "version: 1\nx: 1\n");
    const error = await loadManifest(path, rules).catch((error) => error);
    expect(error).toMatchObject({ reason: "INVALID_FIELD", violations: [{ field: `${path}:2:1 x` }] });
  });

  test.for([
    ["that is not there", () => undefined, "no such file"],
    ["of a directory with nothing in it", (path: string) => mkdirSync(path), "it has no file that ends in .yaml, .yml, .json, .toml"],
    ["of a FIFO", (path: string) => void execFileSync("mkfifo", [path]), "it is no regular file"],
    [
      "of 5 MiB",
      (path: string) => writeFileSync(path, "#".repeat(5 * 1024 * 1024)),
      "it has 5242880 bytes, and a configuration file has at most 4194304",
    ],
    ["of something that is no text", (path: string) => writeFileSync(path, Buffer.from([0x61, 0xff, 0xfe])), "it is no UTF-8 text"],
  ] as [string, (path: string) => void, string][])("%s is a clear error", async ([, make, why]) => {
    await using directory = makeTempDir();
    const path = join(directory.path, "pm.yaml");
    make(path);
    await expect(loadManifest(path, rules)).rejects.toThrow(`cannot read ${path}: ${why}`);
  });
});

describe("several files", () => {
  const web = (more = "") => `version: 1\n${more}services:\n  web: {command: x}\n`;

  test("that include each other are one manifest: each service of its file, and at its place", async () => {
    await using tree = makeTree({
      "pm.yaml": `version: 1\nnamespace: prod\ninclude: [sub/db.yml, more.json]\nservices:\n  web: {command: x}\n`,
      "sub/db.yml": "version: 1\ninclude: ../cache.yaml\nservices:\n  db: {command: x, cwd: data}\n",
      "cache.yaml": "version: 1\nnamespace: prod\nservices: {cache: {command: x}}\n",
      "more.json": '{"version": 1, "services": {"job": {"process": {"command": {"argv": ["x"]}}}}}',
    });
    const manifest = await loadManifest(tree.file("pm.yaml"), rules);
    const read = ["pm.yaml", "sub/db.yml", "cache.yaml", "more.json"].map(tree.file);
    expect(manifest).toMatchObject({ path: read[0], files: read, namespace: "prod" });
    expect(manifest.services.map(({ name, file, spec }) => [name, file, spec.process.workingDirectory])).toEqual([
      ["web", read[0], tree.path],
      ["db", read[1], tree.file("sub/data")],
      ["cache", read[2], tree.path],
      ["job", read[3], tree.path],
    ]);
  });

  test("of a directory are one manifest, by name, without those that are hidden or something else", async () => {
    await using tree = makeTree({
      "conf/b.yaml": "version: 1\nservices: {b: {command: x}}\n",
      "conf/a.json": '{"version": 1, "services": {"z": {"command": "x"}}}',
      "conf/10.yml": "version: 1\nnamespace: prod\nservices: {m: {command: x}}\n",
      "conf/.hidden.yaml": "nonsense",
      "conf/notes.txt": "nonsense",
      "conf/dir.yaml/x": "nonsense",
      "pm.yaml": "version: 1\ninclude: conf\n",
    });
    const manifest = await loadManifest(tree.file("conf"), rules);
    expect(manifest).toMatchObject({
      path: tree.file("conf"),
      namespace: "prod",
      files: ["10.yml", "a.json", "b.yaml"].map((name) => tree.file(`conf/${name}`)),
    });
    expect(manifest.services.map(({ name }) => name)).toEqual(["m", "z", "b"]);
    expect((await loadManifest(tree.file("pm.yaml"), rules)).services).toEqual(manifest.services);
  });

  test("that are included have what the one says that includes them below what they say themselves", async () => {
    await using tree = makeTree({
      "pm.yaml":
        "version: 1\ninclude: sub/db.yaml\nenv: {A: outer, B: outer, K: '@file://key'}\nenv_file: all.env\ndefaults: {cwd: run, restart: {policy: never, delay: 1s}}\n",
      "sub/db.yaml":
        "version: 1\nenv: {B: inner, C: '${A}'}\ndefaults: {restart: {delay: 2s}}\nservices: {db: {command: 'x ${A} ${B} ${C}', env: {A: own}}}\n",
    });
    const { services } = await loadManifest(tree.file("pm.yaml"), rules);
    expect(services[0]?.spec).toMatchObject({
      process: {
        command: { shell: "x outer inner outer" },
        workingDirectory: tree.file("run"),
        environment: {
          vars: { A: "own" },
          shared: [
            { vars: { A: "outer", B: "outer", K: `@file://${tree.file("key")}` }, files: [{ path: tree.file("all.env") }] },
            { vars: { B: "inner", C: "outer" }, files: [] },
          ],
        },
      },
      restart: { mode: "never", delayMs: 2000 },
    });
  });

  test("of one directory know nothing of what the others say for all", async () => {
    await using tree = makeTree({
      "a.yaml": "version: 1\nenv: {A: a}\ndefaults: {restart: never}\n",
      "b.yaml": "version: 1\nservices: {b: {command: 'x ${A:-none}'}}\n",
    });
    const { services } = await loadManifest(tree.path, rules, {});
    expect(services[0]?.spec).toMatchObject({ process: { command: { shell: "x none" }, environment: { vars: {} } }, restart: { mode: "always" } });
  });

  test.for([
    ["that is not there", { "pm.yaml": web("include: [gone.yaml]\n") }, ["pm.yaml:2:11 include[0]: cannot read gone.yaml: no such file"]],
    [
      "of nothing",
      { "pm.yaml": web("include: sub\n"), "sub/x.txt": "" },
      [/^pm\.yaml:2:10 include\[0\]: cannot read sub: it has no file that ends in/],
    ],
    ["in TOML", { "pm.yaml": web("include: x.toml\n"), "x.toml": "" }, ["x.toml:1:1: TOML is not read yet: write it as YAML or JSON"]],
    ["that says nothing", { "pm.yaml": web("include: x.yaml\n"), "x.yaml": "" }, [/^x\.yaml:1:1: says nothing/]],
    ["that is no path", { "pm.yaml": web("include: [[]]\n") }, ["pm.yaml:2:11 include[0]: is a list, and should be text"]],
    ["without a name", { "pm.yaml": web("include: ['']\n") }, [/^pm\.yaml:2:11 include\[0\]: /]],
    [
      "with a service that is there already",
      { "pm.yaml": web("include: x.yaml\n"), "x.yaml": web() },
      ["x.yaml:3:3 services.web: is there already, in pm.yaml:4:3"],
    ],
    [
      "of another namespace",
      { "pm.yaml": web("include: x.yaml\nnamespace: a\n"), "x.yaml": "version: 1\nnamespace: b\n" },
      ['x.yaml:2:1 namespace: is "b", and "a" in pm.yaml:3:1: all files of a manifest are of one namespace'],
    ],
    [
      "in a circle",
      { "pm.yaml": web("include: x.yaml\n"), "x.yaml": "version: 1\ninclude: sub/../pm.yaml\n" },
      ["x.yaml:2:10 include[0]: goes round in a circle: pm.yaml → x.yaml → pm.yaml"],
    ],
    ["that is itself", { "pm.yaml": web("include: pm.yaml\n") }, ["pm.yaml:2:10 include[0]: goes round in a circle: pm.yaml → pm.yaml"]],
    [
      "that is read already",
      { "pm.yaml": web("include: [x.yaml, y.yaml, y.yaml]\n"), "x.yaml": "version: 1\ninclude: y.yaml\n", "y.yaml": "version: 1\n" },
      [
        "pm.yaml:2:19 include[1]: y.yaml is read already, because of x.yaml:2:10: name it once",
        "pm.yaml:2:27 include[2]: y.yaml is read already, because of x.yaml:2:10: name it once",
      ],
    ],
    [
      "too deep",
      Object.fromEntries(Array.from({ length: 9 }, (_, at) => [`${at === 0 ? "pm" : at}.yaml`, `version: 1\ninclude: ${at + 1}.yaml\n`])),
      [
        "7.yaml:2:10 include[0]: is deeper than 8 files that include each other: pm.yaml → 1.yaml → 2.yaml → 3.yaml → 4.yaml → 5.yaml → 6.yaml → 7.yaml → 8.yaml",
      ],
    ],
    [
      "that is one too many",
      { "pm.yaml": web("include: sub\n"), ...Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`sub/${at + 100}.yaml`, "version: 1\n"])) },
      ["pm.yaml:2:10 include[0]: sub/199.yaml is one too many: a manifest has at most 100 files"],
    ],
    [
      "that makes them too large together",
      {
        "pm.yaml": "version: 1\ninclude: [a, b, c, d, e]\n",
        ...Object.fromEntries(["a", "b", "c", "d", "e"].map((name) => [`${name}/x.yaml`, `version: 1\n#${"x".repeat(4_000_000)}`])),
      },
      ["pm.yaml:2:23 include[4]: with e/x.yaml the files have more than 16777216 bytes together"],
    ],
    [
      "with mistakes: each at its own place, those of the one that includes first",
      {
        "pm.yaml": "version: 1\ninclude: x.yaml\nservices: {web: {comand: x}}\ndefaults: {stop: {signal: no}}\n",
        "x.yaml": "version: 1\nservices: {db: {command: x, instances: no}, ab: {command: x}}\n",
      },
      [
        "pm.yaml:3:12 services.web: has no command",
        /^pm\.yaml:3:18 services\.web\.comand: is no key/,
        /^pm\.yaml:4:19 defaults\.stop\.signal: "NO" is no signal/,
        /^x\.yaml:2:40 services\.db\.instances: is "no"/,
      ],
    ],
  ] as [string, Record<string, string>, (string | RegExp)[]][])("include what can be included, and nothing %s", async ([, files, expected]) => {
    await using tree = makeTree(files);
    const problems = await problemsOf(loadManifest(tree.file("pm.yaml"), rules));
    const shown = problems.map((problem) => problem.replaceAll(`${tree.path}/`, ""));
    expect(shown).toEqual(expected.map((problem) => (typeof problem === "string" ? problem : expect.stringMatching(problem))));
  });

  test("of a directory that cannot be read are told as the others are", async () => {
    await using tree = makeTree({ "a.yaml": "version: 1\nx: 1\n" });
    execFileSync("mkfifo", [tree.file("b.yaml")]);
    expect(await problemsOf(loadManifest(tree.path, rules))).toEqual([
      `${tree.file("a.yaml")}:2:1 x: is no key that is known here`,
      `${tree.file("b.yaml")}:1:1: cannot read ${tree.file("b.yaml")}: it is no regular file`,
    ]);
  });

  test("have no more services than one file", async () => {
    const services = (letter: string) =>
      `version: 1\nservices: {${Array.from({ length: 5001 }, (_, at) => `${letter}${at}: {command: x}`).join(", ")}}\n`;
    await using tree = makeTree({ "a.yaml": services("a"), "b.yaml": services("b") });
    expect(await problemsOf(loadManifest(tree.path, rules))).toEqual([
      `${tree.path}:1:1: 10002 services are too many for one manifest: it has at most 10000`,
    ]);
  }, 60_000);
});

function makeTree(files: Readonly<Record<string, string>>) {
  const directory = makeTempDir();
  const file = (name: string) => join(directory.path, name);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(file(name)), { recursive: true });
    writeFileSync(file(name), text);
  }
  return Object.assign(directory, { file });
}

/** `line:column path: message`, without the file. */
async function problemsOf(reading: Promise<unknown>): Promise<string[]> {
  const error = await reading.then(
    () => undefined,
    (error) => error,
  );
  if (!(error instanceof PmError)) throw error ?? new Error("nothing was wrong");
  return error.violations.map(({ field, message }) => `${field.replace("/srv/app/pm.yaml:", "")}: ${message}`);
}
