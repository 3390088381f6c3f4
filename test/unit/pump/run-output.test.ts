import { execFileSync } from "node:child_process";
import { closeSync, constants, existsSync, mkdirSync, openSync, readFileSync, readSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LogFile } from "../../../src/pump/log-file.ts";
import { RunOutput } from "../../../src/pump/run-output.ts";
import { eventually } from "../../support/eventually.ts";
import { plainSettings } from "../../support/log-settings.ts";
import { makeTempDir, type TempDir } from "../../support/temp-dir.ts";

const { O_RDWR, O_NONBLOCK } = constants;

/** A run whose shim and service are this test. */
function makeRun(dir: TempDir) {
  const directory = join(dir.path, "run1");
  const logs = { stdout: join(dir.path, "out.log"), stderr: join(dir.path, "err.log"), settings: plainSettings };
  mkdirSync(directory);
  execFileSync(
    "mkfifo",
    ["out", "err", "ack"].map((name) => join(directory, name)),
  );
  writeFileSync(join(directory, "spec.json"), JSON.stringify({ runId: "run1", logs }));
  const [out, err, ack] = ["out", "err", "ack"].map((name) => openSync(join(directory, name), O_RDWR | O_NONBLOCK)) as [number, number, number];
  const output = new RunOutput(directory, { acquire: (path) => new LogFile(path, plainSettings), release: (file) => void file.close() });
  return {
    directory,
    output,
    logs,
    write: (text: string) => void writeSync(out, text),
    tell: (file: string, text: string) => writeFileSync(join(directory, file), text),
    /** What the shim would read. */
    acknowledged(): string {
      const bytes = Buffer.alloc(100);
      try {
        return bytes.toString("latin1", 0, readSync(ack, bytes));
      } catch {
        return ""; // nothing yet
      }
    },
    letGo: () => [out, err].forEach(closeSync),
    [Symbol.dispose](): void {
      output.close();
      closeSync(ack);
    },
  };
}

test("before the shim holds the FIFOs they are not opened: that would look like their end", async () => {
  await using dir = makeTempDir();
  using run = makeRun(dir);
  run.output.look();
  run.letGo();
  run.output.look();
  expect(existsSync(join(run.directory, "out.eof"))).toBe(false);
});

test("what was written before the exit is in the file before the shim may leave", async () => {
  await using dir = makeTempDir();
  using run = makeRun(dir);
  run.tell("shim", "1\n");
  run.output.look();
  // No turn of the loop from here on: nobody but look can have read it.
  run.write("last words\n");
  run.tell("exit", "0\n");
  expect(run.acknowledged()).toBe("");
  run.output.look();
  expect(readFileSync(run.logs.stdout, "latin1")).toBe("last words\n");
  expect(run.acknowledged()).toBe("drained\n");
});

test("an exit that is not whole yet is no exit", async () => {
  await using dir = makeTempDir();
  using run = makeRun(dir);
  run.tell("shim", "1\n");
  run.tell("exit", "13");
  run.output.look();
  expect(run.acknowledged()).toBe("");
});

test("the end is told when nobody holds the FIFOs any more, also when no shim said a word", async () => {
  await using dir = makeTempDir();
  using run = makeRun(dir);
  run.tell("shim", "1\n");
  run.output.look();
  run.write("all of it");
  run.letGo();
  await eventually(() => existsSync(join(run.directory, "out.eof")) && existsSync(join(run.directory, "err.eof")) && run.output.done);
  expect(readFileSync(run.logs.stdout, "latin1")).toBe("all of it");
});

test("FIFOs that nobody held when the pump came are at their end", async () => {
  await using dir = makeTempDir();
  using run = makeRun(dir);
  run.tell("shim", "1\n");
  run.letGo();
  run.output.look();
  await eventually(() => existsSync(join(run.directory, "out.eof")) && existsSync(join(run.directory, "err.eof")));
});
