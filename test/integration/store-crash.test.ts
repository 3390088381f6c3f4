import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempDisposableSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { openStore } from "../../src/store/open-store.ts";

const writer = join(import.meta.dirname, "../fixtures/store-writer.ts");

test("a service that was saved is there after kill -9, at whatever moment", { timeout: 120_000 }, async () => {
  for (let round = 0; round < 20; round++) {
    using directory = mkdtempDisposableSync(join(tmpdir(), "store-"));
    const saved = await saveUntilKilled(directory.path, round * 7);
    const { store, setAside } = openStore(directory.path, { wallTime: () => 1000 });
    const found = store.listServices().map(({ name }) => name);
    const events = store.eventRange().newest;
    store.close();
    expect(setAside).toBeUndefined();
    expect(new Set(found).isSupersetOf(new Set(saved))).toBe(true);
    // One more may be there: saved, and not yet named. What was queued before a service is there with it.
    expect(found.length - saved.length).toBeLessThanOrEqual(1);
    expect(events).toBeGreaterThanOrEqual(found.length);
  }
});

/** Returns what was saved by the time it died. It is killed while it is busy with what comes after `count`. */
async function saveUntilKilled(directory: string, count: number): Promise<string[]> {
  const child = spawn(process.execPath, [writer, directory], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const saved: string[] = [];
  for await (const name of createInterface(child.stdout)) {
    saved.push(name);
    if (saved.length === count + 1) child.kill("SIGKILL");
  }
  expect(await exited).toEqual([null, "SIGKILL"]);
  return saved;
}

const hasStrace = spawnSync("strace", ["-V"]).status === 0;

test.skipIf(!hasStrace)("each saved service is synced to disk, and events by themselves are not", () => {
  using directory = mkdtempDisposableSync(join(tmpdir(), "store-"));
  const trace = join(directory.path, "trace");
  const calls = ["strace", "-f", "-qq", "-o", trace, "-e", "trace=access,fsync,fdatasync"];
  execFileSync(calls[0] as string, [...calls.slice(1), process.execPath, writer, directory.path, "10"]);
  const [, services = "", events = ""] = execFileSync("cat", [trace], { encoding: "utf8" }).split(/"\/begin"|"\/end of \w+"/);
  expect(countSyncs(services)).toBeGreaterThanOrEqual(10);
  expect(countSyncs(events)).toBe(0);
});

function countSyncs(trace: string): number {
  return trace.match(/ (fsync|fdatasync)\(\d+\)/g)?.length ?? 0;
}
