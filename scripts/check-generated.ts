// Generates into another directory and compares: neither git nor what is uncommitted has a say in it.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const fresh = mkdtempSync(join(tmpdir(), "pm-gen-"));
try {
  const generate = spawnSync("buf", ["generate", "--output", fresh], { stdio: "inherit" });
  const compare = spawnSync("diff", ["--recursive", "--brief", "gen", join(fresh, "gen")], { stdio: "inherit" });
  if (generate.status !== 0 || compare.status !== 0) {
    console.error('gen/ is not what proto/ says; run "npm run generate"');
    process.exitCode = 1;
  }
} finally {
  rmSync(fresh, { recursive: true });
}
