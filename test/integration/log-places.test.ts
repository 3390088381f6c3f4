import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { findLogStreams } from "../../src/log-places.ts";
import { makeTempDir } from "../support/temp-dir.ts";

it("a log is found by what was set aside of it, plain or compressed, and each once", async () => {
  await using dir = makeTempDir();
  const names = ["web/out.log.000000000000000.zst", "web/out.log.000000000000000.idx", "web/err.log.000000000000007", "@prod/web/out.10.log"];
  for (const name of [...names, "web/err.log", "@prod/web/out.2.log", "web/notes.txt", "stray"]) put(join(dir.path, "logs", name));
  expect(await found(dir.path)).toEqual([
    "default/web#0 stdout logs/web/out.log",
    "default/web#0 stderr logs/web/err.log",
    "prod/web#2 stdout logs/@prod/web/out.2.log",
    "prod/web#10 stdout logs/@prod/web/out.10.log",
  ]);
});

it("the newest run of an instance says where it writes, and a run directory that cannot be read says nothing", async () => {
  await using dir = makeTempDir();
  put(join(dir.path, "logs/web/out.log"));
  putRun(dir.path, "b", { startedAt: 1, logs: { stdout: join(dir.path, "old.txt"), stderr: join(dir.path, "err.txt") } });
  putRun(dir.path, "a", { startedAt: 2, logs: { stdout: join(dir.path, "new.txt"), stderr: join(dir.path, "err.txt") } });
  put(join(dir.path, "run/runs/c/spec.json"), "{");
  put(join(dir.path, "run/runs/d/spec.json"), "{}");
  put(join(dir.path, "run/runs/e/out"));
  expect(await found(dir.path)).toEqual(["default/web#0 stdout new.txt", "default/web#0 stderr err.txt"]);
});

it("where nothing is, nothing is found", async () => {
  await using dir = makeTempDir();
  expect(await found(dir.path)).toEqual([]);
});

async function found(root: string): Promise<string[]> {
  const streams = await findLogStreams({ logDir: join(root, "logs"), runtimeDir: join(root, "run") });
  return streams.map(({ instance, stream, path }) => `${instance} ${stream} ${path.slice(root.length + 1)}`);
}

function putRun(root: string, id: string, spec: object): void {
  put(join(root, "run/runs", id, "spec.json"), JSON.stringify({ namespace: "default", service: "web", index: 0, ...spec }));
}

function put(path: string, content = ""): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}
