// The only program of the machine: tells the chapters that the kernel's command line names, and switches it off. Each line that it prints begins
// with a word for the machine's owner:
//
//   ok NAME SECONDS     the chapter has come to its end
//   failed NAME         it has not; `| ` and what is known of it on the lines that follow
//   + ...               what it does now
//   cut                 the power is to fail now
//   off                 nothing follows
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { Host } from "./host.ts";
import { stories } from "./stories.ts";

const parameters = new Map(
  readFileSync("/proc/cmdline", "utf8")
    .trim()
    .split(" ")
    .map((word) => word.split("=") as [string, string]),
);
const names = (parameters.get("stories") ?? "").split(",");
const boot = Number(parameters.get("boot"));

for (const { name, boots } of stories.filter((story) => names.includes(story.name))) {
  const host = new Host();
  const startedAt = performance.now();
  try {
    host.prepare();
    await boots[boot]?.(host);
    if (boot < boots.length - 1) console.log("cut");
    else await host.clear();
    console.log(`ok ${name} ${Math.round((performance.now() - startedAt) / 1000)}`);
  } catch (error) {
    const story = [error instanceof Error ? error.stack : error, host.report()].join("\n");
    console.log(`failed ${name}\n${story.replace(/^/gm, "| ")}`);
    // What comes next shall not suffer for it.
    await host.clear().catch(() => undefined);
  }
}
console.log("off");
execFileSync("poweroff", ["-f"]);
