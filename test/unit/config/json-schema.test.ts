import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { schemaPath, schemaText } from "../../../scripts/write-schema.ts";
import { toSpec } from "../../../src/api/convert-spec.ts";
import { findViolations } from "../../../src/api/violations.ts";
import { forms } from "../../../src/config/json-schema.ts";
import { readManifest } from "../../../src/config/load-manifest.ts";
import { sugar } from "../../../src/config/sugar.ts";
import { schemaErrors } from "../../support/json-schema.ts";

const schema = JSON.parse(readFileSync(schemaPath, "utf8"));
const errorsOf = (text: string) => schemaErrors(schema, parse(text));
const rules = { findViolations, toSpec };

test("the schema is what the protos and the sugar say; npm run generate makes it", { timeout: 60_000 }, () => {
  expect(readFileSync(schemaPath, "utf8") === schemaText()).toBe(true);
});

test("whatever may be written in several ways has its ways in the schema", () => {
  expect(Object.keys(forms).sort()).toEqual(Object.keys(sugar).sort());
});

describe("a file that pmd reads", () => {
  test.for([
    ["as people write it", asPeopleWriteIt()],
    ["in the JSON of the API", JSON.stringify(inJson())],
    [
      "with variables where numbers and words belong",
      "version: 1\nservices:\n  a: {command: x, instances: '${N:-2}', autostart: '${ON:-true}', restart: '${R:-never}', stop: {grace: '${G:-1s}'}}\n",
    ],
    [
      "with nothing where everything is a comment",
      "version: 1\nservices:\n  a: {command: x, env: , labels: , logs: , env_file: , restart: }\nenv:\ninclude:\ndefaults:\n",
    ],
    ["with enums in capitals", "version: 1\nservices: {a: {command: x, restart: MODE_NEVER}, b: {command: x, restart: {policy: ON_FAILURE}}}\n"],
  ])("is right for the schema too: %s", async ([, text]) => {
    expect((await readManifest(text as string, "/srv/pm.yaml", rules, {})).services.length).toBeGreaterThan(0);
    expect(errorsOf(text as string)).toEqual([]);
  });

  test.for(examples())("is right for the schema too, and names it: %s", async (path) => {
    const text = readFileSync(path, "utf8");
    expect(errorsOf(text)).toEqual([]);
    const [, named = ""] = /^# yaml-language-server: \$schema=(\S+)\n/.exec(text) ?? [];
    expect(normalize(join(dirname(path), named))).toBe(schemaPath);
    expect((await readManifest(text, path, rules)).services.length).toBeGreaterThan(0);
  });
});

describe("what pmd refuses, the schema refuses:", () => {
  test.for([
    ["services: {}\n", ": required"],
    ["version: 2\n", "/version: enum"],
    ["version: 1\nservcies: {}\n", "/servcies: is not allowed"],
    ["version: 1\nservices: [web]\n", "/services: type"],
    ["version: 1\nservices: {a b: {command: x}}\n", "/services/a b: pattern"],
    ["version: 1\nservices: {a: {comand: x}}\n", "/services/a/comand: is not allowed"],
    ["version: 1\nservices: {a: {command: [[x]]}}\n", "/services/a/command/0: type"],
    ["version: 1\nservices: {a: {command: x, instances: two}}\n", "/services/a/instances: anyOf"],
    ["version: 1\nservices: {a: {command: x, instances: 2000}}\n", "/services/a/instances: anyOf"],
    ["version: 1\nservices: {a: {command: x, restart: sometimes}}\n", "/services/a/restart: anyOf"],
    ["version: 1\nservices: {a: {command: x, stop: {grace: 30}}}\n", "/services/a/stop/grace: type"],
    ["version: 1\nservices: {a: {command: x, stop: {grace: 5 minutes}}}\n", "/services/a/stop/grace: pattern"],
    ["version: 1\nservices: {a: {command: x, logs: {rotate: {size: 10XB}}}}\n", "/services/a/logs/rotate/size: pattern"],
    ["version: 1\nservices: {a: {command: x, env: {A: {}}}}\n", "/services/a/env/A: type"],
    ["version: 1\nservices: {a: {command: x, env: [A]}}\n", "/services/a/env/0: pattern"],
    ["version: 1\ndefaults: {cwd: [x]}\n", "/defaults/cwd: type"],
    ["version: 1\nenv: {1A: x}\nservices: {a: {command: x}}\n", "/env/1A: pattern"],
  ] as const)("%j", async ([text, error]) => {
    await expect(readManifest(text, "/srv/pm.yaml", rules, {})).rejects.toThrow("/srv/pm.yaml:");
    expect(errorsOf(text)).toContainEqual(expect.stringContaining(error));
  });
});

test("an editor has the sentences of the protos to show", () => {
  expect(schema.definitions.ServiceSpec.properties.instances.description).toBe("How many to run; 1 when absent.");
  expect(schema.definitions.ServiceSpec.properties.cwd.description).toMatch(/^Where to run it/);
  expect(schema.definitions.RestartPolicy.anyOf[0].description).toBe("Which ends count.");
});

function examples(): string[] {
  const files = readdirSync("examples", { recursive: true }).map((name) => join("examples", String(name)));
  return files.filter((path) => /\.ya?ml$/.test(path));
}

function asPeopleWriteIt(): string {
  return `
version: 1
namespace: prod
env: {TZ: Europe/Berlin}
env_file: {path: all.env, optional: true}
inherit_environment: true
defaults: {restart: {policy: on-failure}, cwd: run}
services:
  db:
    command: exec postgres -D \${DATA:-/var/lib/db}
    stop: {signal: int, grace: 30s}
  api:
    command: [node, server.js, 80]
    instances: 2
    env: {LOG: info, PORT: 3000, KEY: "@file:///run/secrets/key"}
    env_file: [.env, {path: local.env, optional: true}]
    restart: {delay: 500ms, max_delay: 1m30s, max_restarts: 10, window: 10m, jitter: 0.5, success_exit_codes: [3]}
    start: {settle: 2s}
    reload: {signal: hup}
    logs: {stdout: ./logs/out.log, rotate: {size: 10MiB, interval: daily, max_age: 2d, compress: gzip, total_size: 1G}, on_full: block, hints: [a.log]}
    labels: {tier: web}
    autostart: false
  job: {command: {argv: [x]}, env: [A=1], restart: never, reload: {command: x}, stop: {signal: 2, command: [bye]}}
`;
}

function inJson() {
  const process = {
    command: { argv: ["x"] },
    workingDirectory: "/w",
    environment: { vars: { A: "1" }, files: [{ path: ".env" }] },
    stop: { signal: "SIGINT", grace: "1.500s" },
    logs: { rotate: { size: "4096" }, onFull: "ON_FULL_BLOCK" },
  };
  return {
    version: 1,
    services: { web: { process, restart: { policy: "MODE_NEVER", maxDelay: "60s" } }, b: { command: "x", workingDirectory: "/" } },
  };
}
