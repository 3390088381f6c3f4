import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { startDaemon } from "../support/daemon.ts";
import { fencedBlocks } from "../support/fenced-blocks.ts";
import { makeTempDir } from "../support/temp-dir.ts";

// What a reader can paste works: every block of shell commands, in order, with a pmd that was started as `npm start` does it. Only the ports are
// others, since the reader may have it running.

describe.each(["README.md", "examples/hello/README.md"])("%s", (path) => {
  it("has commands that work", { timeout: 180_000 }, async () => {
    await using dir = makeTempDir();
    const moved = await movePorts();
    cpSync("examples/hello", dir.path, { recursive: true });
    const config = join(dir.path, "pm.yaml");
    writeFileSync(config, moved(readFileSync(config, "utf8")));

    await using daemon = await startDaemon({ args: ["--config", config] });
    expect(await daemon.pmctl(["wait", "--all", "--for", "ready"])).toMatchObject({ code: 0 });
    for (const [at, block] of fencedBlocks(path, "sh").entries()) {
      const line = at === 0 ? moved(block) : withoutNpx(moved(block));
      const outcome = await daemon.run(["bash", "-e", "-o", "pipefail", "-c", line], { cwd: process.cwd(), timeoutMs: 120_000 });
      expect(outcome).toMatchObject({ code: 0 });
    }
  });
});

/** npx takes longer than what it runs; that it finds both programs is seen in the first block, and in `npm start`. */
function withoutNpx(block: string): string {
  return block.replaceAll(/\bnpx (pmctl|pmd)\b/g, (_, program: string) => (program === "pmd" ? "dist/pmd" : `"${process.execPath}" dist/pmctl.js`));
}

/** 8701 and the next ones become free ones. */
async function movePorts(): Promise<(text: string) => string> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((listening) => server.once("listening", listening));
  const { port } = server.address() as AddressInfo;
  await server[Symbol.asyncDispose]();
  return (text) => text.replace(/\b87(0[1-9])\b/g, (_, last: string) => String(port + Number(last) - 1));
}
