import { chownSync, existsSync, lchownSync, linkSync, mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { indexPath } from "../../../src/logs/log-file-names.ts";
import { LogFile } from "../../../src/pump/log-file.ts";
import { plainSettings } from "../../support/log-settings.ts";
import { makeTempDir, type TempDir } from "../../support/temp-dir.ts";

const isRoot = process.getuid?.() === 0;
const nobody = 65_534;
const write = (file: LogFile, text: string) => file.append(Buffer.from(text), "r1");
/** The name of the file is looked at once a second. */
const passSecond = () => vi.spyOn(performance, "now").mockReturnValue(performance.now() + 1500);

afterEach(() => vi.restoreAllMocks());

/** A directory of a service that belongs to somebody else, with logs in it, and one where it has no business. */
function strangersLogs(dir: TempDir) {
  const home = join(dir.path, "home");
  const elsewhere = join(dir.path, "elsewhere");
  const logs = join(home, "logs");
  for (const made of [home, elsewhere, logs]) mkdirSync(made);
  for (const theirs of [home, logs]) chownSync(theirs, nobody, nobody);
  const link = (target: string, path: string) => {
    symlinkSync(target, path);
    lchownSync(path, nobody, nobody);
  };
  return { home, elsewhere, logs, link, path: join(logs, "out.log") };
}

test.skipIf(!isRoot)("a log is written into a directory that belongs to somebody else", async () => {
  await using dir = makeTempDir();
  const { path } = strangersLogs(dir);
  const file = new LogFile(path, plainSettings);
  write(file, "line\n");
  file.close();
  expect(readFileSync(path, "latin1")).toBe("line\n");
});

test.skipIf(!isRoot)("a link that somebody else has put in place of a directory is not followed, and what it costs is counted", async () => {
  await using dir = makeTempDir();
  const { home, elsewhere, link } = strangersLogs(dir);
  link(elsewhere, join(home, "link"));
  const file = new LogFile(join(home, "link", "deep", "out.log"), plainSettings);
  write(file, "line\n");
  expect(file.droppedBytes).toBe(5);
  expect(readdirSync(elsewhere)).toEqual([]);
});

test.skipIf(!isRoot)(
  "a directory that is exchanged for a link while its log is open leads nowhere: not lines, not rotation, not removal",
  async () => {
    await using dir = makeTempDir();
    const { home, elsewhere, logs, link, path } = strangersLogs(dir);
    const victims = ["out.log", "out.log.idx", "out.log.000000000000000", "out.log.000000000000000.idx"].map((name) => join(elsewhere, name));
    for (const victim of victims) writeFileSync(victim, "precious");
    const file = new LogFile(path, { ...plainSettings, rotateBytes: 20, backups: 0 });
    write(file, "before\n");
    renameSync(logs, join(home, "away"));
    link(elsewhere, logs);
    // Not looked at yet: it goes on where it was, and so does what follows from it.
    write(file, "goes on\n");
    passSecond();
    for (let i = 0; i < 10; i++) write(file, "a line that is lost\n");
    expect(file.purge(false)).toBe(0);
    expect(victims.map((victim) => readFileSync(victim, "latin1"))).toEqual(victims.map(() => "precious"));
    expect(readdirSync(elsewhere)).toHaveLength(victims.length);
    expect(readFileSync(join(home, "away/out.log"), "latin1")).toBe("before\ngoes on\n");
    expect(file.droppedBytes).toBe(200);
  },
);

test("a link of our own is followed, for /var/log may be one", async () => {
  await using dir = makeTempDir();
  mkdirSync(join(dir.path, "disk"));
  symlinkSync("disk", join(dir.path, "relative"));
  symlinkSync(join(dir.path, "relative"), join(dir.path, "absolute"));
  const file = new LogFile(join(dir.path, "absolute/web/out.log"), plainSettings);
  write(file, "line\n");
  file.close();
  expect(readFileSync(join(dir.path, "disk/web/out.log"), "latin1")).toBe("line\n");
});

test("links in a circle end", async () => {
  await using dir = makeTempDir();
  symlinkSync("b", join(dir.path, "a"));
  symlinkSync("a", join(dir.path, "b"));
  const file = new LogFile(join(dir.path, "a/out.log"), plainSettings);
  write(file, "line\n");
  expect(file.droppedBytes).toBe(5);
});

test("a second name of another file is not written to, neither as log nor as index", async () => {
  await using dir = makeTempDir();
  const victim = join(dir.path, "victim");
  const content = "x".repeat(100);
  writeFileSync(victim, content);
  mkdirSync(join(dir.path, "a"));
  linkSync(victim, join(dir.path, "a/out.log"));
  const asLog = new LogFile(join(dir.path, "a/out.log"), plainSettings);
  write(asLog, "line\n");
  expect(asLog.droppedBytes).toBe(5);
  mkdirSync(join(dir.path, "b"));
  linkSync(victim, indexPath(join(dir.path, "b/out.log")));
  linkSync(victim, `${indexPath(join(dir.path, "b/out.log"))}.new`);
  const asIndex = new LogFile(join(dir.path, "b/out.log"), plainSettings);
  write(asIndex, "line\n");
  asIndex.close();
  expect(readFileSync(join(dir.path, "b/out.log"), "latin1")).toBe("line\n");
  expect(readFileSync(victim, "latin1")).toBe(content);
  expect(existsSync(`${indexPath(join(dir.path, "b/out.log"))}.new`)).toBe(false);
});
