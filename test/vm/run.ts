// npm run vm [-- STORY...] [--steps]: the faults that need a machine of their own, and with --steps what is done meanwhile. The last line says how
// it went.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { makeTempDir } from "../support/temp-dir.ts";
import { Machine } from "./machine.ts";
import { stories } from "./stories.ts";
import type { Story } from "./story.ts";

const builder = "test/vm/build-image.sh";
/** What the machine has of this folder. */
const carried = ["dist", "package.json", "examples/systemd", "test/vm", "test/support"];

const words = process.argv.slice(2);
const showSteps = words.includes("--steps");
const chosen = choose(words.filter((word) => word !== "--steps"));
execFileSync("scripts/install-debian-packages.sh", ["vm"], { stdio: "inherit" });
const image = prepareImage();
await using dir = makeTempDir();
const archive = pack(join(dir.path, "archive"));
await using machine = new Machine(image, archive);

const failed = new Set<string>();
const together = chosen.filter(({ boots }) => boots.length === 1);
if (together.length > 0) await boot(together, 0);
for (const story of chosen.filter(({ boots }) => boots.length > 1)) {
  machine.wipe();
  for (const number of story.boots.keys()) if (!failed.has(story.name)) await boot([story], number);
}
console.log(`${chosen.length - failed.size} passed, ${failed.size} failed`);
process.exitCode = failed.size === 0 ? 0 : 1;

function choose(names: readonly string[]): readonly Story[] {
  const unknown = names.filter((name) => !stories.some((story) => story.name === name));
  if (unknown.length > 0) throw new Error(`there is no story ${unknown.join(", ")}: they are ${stories.map(({ name }) => name).join(", ")}`);
  return names.length === 0 ? stories : stories.filter(({ name }) => names.includes(name));
}

/** It is made once for each Node and each version of the script that makes it. */
function prepareImage(): string {
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "pmd-vm");
  const digest = createHash("sha256").update(readFileSync(builder)).update(process.version).digest("hex").slice(0, 12);
  const image = join(cache, digest);
  if (existsSync(image)) return image;
  mkdirSync(cache, { recursive: true });
  console.log(`making the machine in ${image}: some minutes, once`);
  execFileSync(builder, [image, process.execPath], { stdio: "inherit" });
  return image;
}

function pack(path: string): string {
  execFileSync("tar", ["-cf", path, ...carried]);
  // A disk has whole sectors.
  execFileSync("truncate", ["-s", "%512", path]);
  return path;
}

/** Tells the chapter of each of these stories that belongs to this boot. */
async function boot(told: readonly Story[], number: number): Promise<void> {
  const untold = new Map(told.map((story) => [story.name, story]));
  for await (const line of machine.boot(`stories=${[...untold.keys()].join(",")} boot=${number}`)) {
    const [word, name = "", seconds] = line.split(" ");
    const story = untold.get(name);
    if (word === "cut") return machine.cutPower();
    if (word === "failed") failed.add(name);
    if (story) untold.delete(name);
    if (word === "ok" && story) console.log(`ok      ${name}: ${story.title} (${seconds} s)`);
    else if (word === "failed" && story) console.log(`FAILED  ${name}: ${story.title}`);
    else if (word === "+" && showSteps) console.log(`          ${line}`);
    else if (word === "|") console.log(`        ${line.slice(2)}`);
  }
  // All but the last chapter of a story may end by the machine going off.
  for (const { name, boots } of untold.values()) {
    if (number < boots.length - 1) continue;
    failed.add(name);
    console.log(`FAILED  ${name}: the machine went off before it was told\n${machine.lastWords.replace(/^/gm, "        ")}`);
  }
}
