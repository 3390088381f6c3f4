// Compares the contract with the one that is promised: the last release's, once a tag v* exists, and the last commit's until then.
// Before the first release a break may be meant: BREAKING_OK=1 lets it pass, and says so. After it, nothing does.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const release = git("describe", "--tags", "--abbrev=0", "--match", "v*");
const baseline = release ?? git("rev-parse", "--verify", "HEAD");

if (baseline === undefined || git("cat-file", "-t", `${baseline}:buf.yaml`) === undefined) {
  console.error("there is no commit to compare with yet");
} else if (breaksSince(baseline)) {
  const accepted = release === undefined && process.env.BREAKING_OK === "1";
  console.error(accepted ? "BREAKING_OK=1: accepted, as nothing is released yet" : `the API would break what ${release ?? "the last commit"} has`);
  process.exitCode = accepted ? 0 : 1;
}

function breaksSince(commit: string): boolean {
  const before = mkdtempSync(join(tmpdir(), "pm-breaking-"));
  try {
    // buf could read the commit out of .git by itself, but not where .git is a file, as it is in a worktree.
    execFileSync("tar", ["-x", "-C", before], { input: execFileSync("git", ["archive", commit, "buf.yaml", "proto"]) });
    return spawnSync("buf", ["breaking", "--against", before], { stdio: "inherit" }).status !== 0;
  } finally {
    rmSync(before, { recursive: true });
  }
}

function git(...args: string[]): string | undefined {
  const { status, stdout } = spawnSync("git", args, { encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}
