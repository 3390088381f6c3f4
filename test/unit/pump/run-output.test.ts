import { execFileSync } from "node:child_process";
import { closeSync, constants, existsSync, mkdirSync, openSync, readFileSync, readSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { LogFile } from "../../../src/pump/log-file.ts";
import { RunOutput } from "../../../src/pump/run-output.ts";
import { eventually } from "../../support/eventually.ts";
import { plainSettings } from "../../support/log-settings.ts";
import { makeTempDir, type TempDir } from "../../support/temp-dir.ts";

const { O_RDWR, O_NONBLOCK } = constants;

/** A run whose shim and service are this test. */
function makeRun(dir: TempDir, settings = plainSettings) {
  const directory = join(dir.path, "run1");
  const logs = { stdout: join(dir.path, "out.log"), stderr: join(dir.path, "err.log"), settings };
  mkdirSync(directory);
  execFileSync(
    "mkfifo",
    ["out", "err", "ack"].map((name) => join(directory, name)),
  );
  writeFileSync(join(directory, "spec.json"), JSON.stringify({ runId: "run1", logs }));
  const [out, err, ack] = ["out", "err", "ack"].map((name) => openSync(join(directory, name), O_RDWR | O_NONBLOCK)) as [number, number, number];
  const files: LogFile[] = [];
  const makeOutput = () => {
    const acquire = (path: string): LogFile => {
      const file = new LogFile(path, settings);
      files.push(file);
      return file;
    };
    return new RunOutput(directory, { acquire, release: (file) => void file.close() });
  };
  const output = makeOutput();
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
    /** The next pump's. */
    another() {
      const output = makeOutput();
      return { output, [Symbol.dispose]: () => output.close() };
    },
    dropped: () => files.reduce((sum, { droppedBytes }) => sum + droppedBytes, 0),
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

const patient = { ...plainSettings, onFull: "block" } as const;
/** A disk that takes nothing, and then does. */
const blockLog = (path: string) => mkdirSync(path);
const unblockLog = (path: string) => rmSync(path, { recursive: true });
/** Until the next try. */
const passSecond = () => vi.spyOn(performance, "now").mockReturnValue(performance.now() + 1500);

afterEach(() => vi.restoreAllMocks());

test("what a full disk does not take is kept, the FIFO is not read, and the shim waits; when there is room all is written in order", async () => {
  await using dir = makeTempDir();
  using run = makeRun(dir, patient);
  blockLog(run.logs.stdout);
  run.write("one\n");
  run.tell("shim", "1\n");
  run.output.look();
  run.write("two\n");
  run.tell("exit", "137\n");
  run.output.look();
  expect(run.acknowledged()).toBe("");
  unblockLog(run.logs.stdout);
  passSecond();
  run.output.look();
  expect(run.acknowledged()).toBe("drained\n");
  expect(readFileSync(run.logs.stdout, "latin1")).toBe("one\ntwo\n");
});

test("a pump that leaves while the disk is full hands over what it has, and the next writes that first", async () => {
  await using dir = makeTempDir();
  using run = makeRun(dir, patient);
  blockLog(run.logs.stdout);
  run.write("one\n");
  run.tell("shim", "1\n");
  run.output.look();
  run.write("two\n");
  run.output.close();
  expect(readFileSync(join(run.directory, "out.held"), "latin1")).toBe("one\n");
  using next = run.another();
  next.output.look();
  unblockLog(run.logs.stdout);
  passSecond();
  run.tell("exit", "0\n");
  next.output.look();
  expect(run.acknowledged()).toBe("drained\n");
  expect(readFileSync(run.logs.stdout, "latin1")).toBe("one\ntwo\n");
  expect(existsSync(join(run.directory, "out.held"))).toBe(false);
});

test("what is kept for a run that is taken away is counted as dropped", async () => {
  await using dir = makeTempDir();
  using run = makeRun(dir, patient);
  blockLog(run.logs.stdout);
  run.write("one\n");
  run.tell("shim", "1\n");
  run.output.look();
  renameSync(run.directory, join(dir.path, "taken"));
  run.output.close();
  expect(run.dropped()).toBe(4);
});

test("a FIFO that was left alone is read again by itself", async () => {
  await using dir = makeTempDir();
  using run = makeRun(dir, patient);
  run.tell("shim", "1\n");
  run.output.look();
  blockLog(run.logs.stdout);
  run.write("one\n");
  await eventually(() => run.output.bytes === 4);
  run.write("two\n");
  unblockLog(run.logs.stdout);
  // As the pump's clock does.
  await eventually(() => {
    run.output.look();
    return readFileSync(run.logs.stdout, "latin1") === "one\ntwo\n";
  });
  run.letGo();
  await eventually(() => existsSync(join(run.directory, "out.eof")));
});
