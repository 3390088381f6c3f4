import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { exitCodes } from "../../cli/exit-codes.ts";
import { toSpec } from "../../src/api/convert-spec.ts";
import { defaultLimits } from "../../src/api/limits.ts";
import { findViolations } from "../../src/api/violations.ts";
import { readManifest } from "../../src/config/load-manifest.ts";
import { parseDuration } from "../../src/core/duration.ts";
import { parseSize } from "../../src/core/size.ts";
import { defaults, pickLogSettings } from "../../src/core/spec.ts";
import { fencedBlocks } from "../support/fenced-blocks.ts";
import { schemaErrors } from "../support/json-schema.ts";
import { machineTable } from "../support/machine-table.ts";
import { stories } from "../vm/stories.ts";

const documents = [
  ...readdirSync(".").filter((name) => name.endsWith(".md")),
  "test/vm/README.md",
  ...readdirSync("examples").map((name) => join("examples", name, "README.md")),
];

describe("ARCHITECTURE.md", () => {
  it("shows the machine as it is", () => {
    expect(readFileSync("ARCHITECTURE.md", "utf8")).toContain(`\`\`\`\n${machineTable()}\n\`\`\``);
  });
});

describe("README.md", () => {
  it("has every exit code of pmctl, and no other", () => {
    const [, table = ""] = readFileSync("README.md", "utf8").split("| code | meaning |");
    const codes = [...table.matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
    expect(codes).toEqual(Object.values(exitCodes));
  });
});

describe("README.md, about the file", () => {
  it("shows one that pmd reads, and an editor finds right", async () => {
    const [text = "", ...more] = fencedBlocks("README.md", "yaml").filter((block) => block.includes("version: 1"));
    expect(more).toEqual([]);
    const { services } = await readManifest(text, "/srv/pm.yaml", { findViolations, toSpec }, { HOME: "/home/me" });
    expect(services.map(({ name, spec }) => [name, spec.instances, spec.restart.mode])).toEqual([
      ["db", 1, "on-failure"],
      ["api", 2, "on-failure"],
    ]);
    expect(services[0]?.spec.process.command.shell).toBe("exec postgres -D /home/me/data -p $PORT");
    expect(schemaErrors(JSON.parse(readFileSync("proto/manifest.schema.json", "utf8")), parse(text))).toEqual([]);
  });
});

describe("README.md, about health and dependencies", () => {
  it.each(fencedBlocks("README.md", "yaml").filter((block) => !block.includes("version: 1")))("shows what pmd reads:\n%s", async (text) => {
    const whole = text.startsWith("services:") ? `version: 1\n${text}` : `version: 1\nservices:\n  web:\n    command: date\n${text}`;
    const others = "  cache: {command: date}\n  proxy: {command: date}\n";
    const manifest = await readManifest(`${whole}${others}`, "/srv/pm.yaml", { findViolations, toSpec });
    expect(manifest.services.length).toBeGreaterThan(2);
    const schema = JSON.parse(readFileSync("proto/manifest.schema.json", "utf8"));
    expect(schemaErrors(schema, parse(`${whole}${others}`))).toEqual([]);
  });
});

describe("README.md, about logs", () => {
  it("has the default of every key that says how a log is kept, and no other", () => {
    const rows = [...readFileSync("README.md", "utf8").matchAll(/^\| `((?:rotate\.|on_full)\w*)` \| `?(\w+)`? \| /gm)];
    const { rotateBytes, interval, backups, maxAgeMs, compress, totalBytes, onFull } = pickLogSettings({});
    expect(rows.map(([, key, said = ""]) => [key, parseSize(said) ?? parseDuration(said) ?? said])).toEqual([
      ["rotate.size", rotateBytes],
      ["rotate.interval", interval],
      ["rotate.backups", backups],
      ["rotate.max_age", maxAgeMs],
      ["rotate.compress", compress],
      ["rotate.total_size", totalBytes === 0 ? "none" : totalBytes],
      ["on_full", onFull],
    ]);
  });
});

describe("README.md, about health", () => {
  it("has the default of every key that says how a check is made, and no other", () => {
    const [, table = ""] = readFileSync("README.md", "utf8").split("below `health` or `liveness`");
    const rows = [...(table.split("\n\n")[0] ?? "").matchAll(/^\| `(\w+)` \| `(\w+)` \| /gm)];
    const { intervalMs, timeoutMs, retries, successes, startPeriodMs } = defaults.health;
    expect(rows.map(([, key, said = ""]) => [key, parseDuration(said) ?? Number(said)])).toEqual([
      ["interval", intervalMs],
      ["timeout", timeoutMs],
      ["retries", retries],
      ["successes", successes],
      ["start_period", startPeriodMs],
    ]);
  });
});

describe("proto/pm/v1/log_service.proto", () => {
  it("says when a read ends that nobody ends, and how long a caller may wait", () => {
    const proto = readFileSync("proto/pm/v1/log_service.proto", "utf8");
    const comment = (rpc: string) => new RegExp(`((?:  //.*\\n)+)  rpc ${rpc}\\(`).exec(proto)?.[1]?.replace(/\s*\/\/ /g, " ");
    const { readDeadlineMs, deadlineMs } = defaultLimits;
    expect(comment("ReadLogs")).toContain(`ends after ${readDeadlineMs / 1000} seconds`);
    for (const rpc of ["ReadLogs", "FollowLogs"]) expect(comment(rpc)).toContain(`of at most ${deadlineMs / 3_600_000} hours`);
  });
});

describe("test/chaos/README.md", () => {
  it("names only tests that there are", () => {
    const rows = [...readFileSync("test/chaos/README.md", "utf8").matchAll(/^\| [^|]+ \| ([^|]+) \| `(test\/[^`]+)` \|$/gm)];
    expect(rows.length).toBeGreaterThan(15);
    const missing = rows.filter(([, title = "", path = ""]) => !existsSync(path) || !readFileSync(path, "utf8").includes(title));
    expect(missing.map(([row]) => row)).toEqual([]);
  });

  it("has a test for all that README.md says of what dies, and for nothing else", () => {
    const promised = firstColumn("README.md");
    expect(promised.length).toBeGreaterThan(5);
    expect([...new Set(firstColumn("test/chaos/README.md"))]).toEqual(promised);
  });

  /** Of the table about what happens if something dies. */
  function firstColumn(path: string): string[] {
    const [, table = ""] = /^\| if this dies .*\n\| ---.*\n((?:\|.*\n)+)/m.exec(readFileSync(path, "utf8")) ?? [];
    return [...table.matchAll(/^\| ([^|]+) \|/gm)].map(([, cell = ""]) => cell);
  }
});

describe("examples/systemd/pmd.service", () => {
  it("ends pmd alone, and not what pmd has started", () => {
    expect(readFileSync("examples/systemd/pmd.service", "utf8")).toMatch(/^KillMode=process$/m);
  });
});

describe("test/vm/README.md", () => {
  it("has every story, and no other", () => {
    const rows = [...readFileSync("test/vm/README.md", "utf8").matchAll(/^\| `([^`]+)` \|/gm)];
    expect(rows.map(([, name]) => name).sort()).toEqual(stories.map(({ name }) => name).sort());
  });
});

describe.each(documents)("%s", (path) => {
  const text = readFileSync(path, "utf8");

  it("names only files that there are", () => {
    const named = text.matchAll(/`((?:src|cli|test|proto|scripts|examples|gen)\/[^\s`*<>]*|[\w-]+\.(?:ts|json|sh|proto))`/g);
    const missing = [...named].map(([, name = ""]) => name).filter((name) => !isThere(name, dirname(path)));
    expect(missing).toEqual([]);
  });

  it("runs only scripts that there are", () => {
    const { scripts } = JSON.parse(readFileSync("package.json", "utf8"));
    const named = [...text.matchAll(/npm run (\w+)|npm (start|test)/g)].map(([, script, short]) => script ?? short ?? "");
    expect(named.filter((script) => !(script in scripts))).toEqual([]);
  });

  it("links only to what there is", () => {
    const links = [...text.matchAll(/\]\(([^)]+)\)/g)]
      .map(([, target = ""]) => target.replace(/#.*/, ""))
      .filter((target) => !/^https?:|^$/.test(target));
    expect(links.filter((target) => !existsSync(join(dirname(path), target)))).toEqual([]);
  });
});

/** A bare name is a file beside the document, or of any folder. */
function isThere(name: string, folder: string): boolean {
  if (existsSync(name) || existsSync(join(folder, name))) return true;
  const roots = name.includes("/") ? [] : ["src", "cli", "proto", "scripts"];
  return roots.some((root) => readdirSync(root, { recursive: true }).some((path) => String(path).endsWith(`/${name}`)));
}
