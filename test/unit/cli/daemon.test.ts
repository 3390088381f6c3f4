import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Code } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FileTail } from "../../../cli/file-tail.ts";
import { FakePmd, pmError } from "./fake-pmd.ts";
import { type RunOptions, runPmctl } from "./run-pmctl.ts";

let directory = "";
let file = "";

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), "pmctl-"));
  file = path.join(directory, "pmd.log");
});

afterEach(() => rmSync(directory, { recursive: true }));

const run = (pmd: FakePmd, argv: string[], options: Partial<RunOptions> = {}) => runPmctl(argv, { transport: pmd.transport, ...options });

describe("daemon status", () => {
  test("says who answers, what it can do here, and what is wrong", async () => {
    const pmd = new FakePmd();
    pmd.info = {
      ...pmd.info,
      services: 1,
      instancesRunning: 2,
      capabilities: [
        { id: "cgroup.kill", available: true },
        { id: "koffi", detail: "not installed" },
      ],
      problems: [{ message: "disk is full" }],
    };
    const { out, exitCode } = await run(pmd, ["daemon", "status"]);
    expect(out).toContain("pmd 0.1.0\n");
    expect(out).toContain("Services: 1 service, 2 instances running, 0 adopted\n");
    expect(out).toContain("Socket: /run/pmd/pmd.sock\n");
    expect(out).toContain("yes  cgroup.kill\n  no   koffi  not installed\n");
    expect(out).toContain("problem: disk is full\n");
    expect(exitCode).toBe(0);
    expect(JSON.parse((await run(pmd, ["daemon", "status", "--json"])).out).pid).toBe(4000);
  });
});

describe("daemon stop", () => {
  test("leaves services running unless told otherwise, and says which", async () => {
    const pmd = new FakePmd();
    expect((await run(pmd, ["daemon", "stop"])).out).toBe("pmd  ended; services run on, and the next pmd finds them\n");
    expect(pmd.asked("shutdown")).toMatchObject({ stopServices: false });
    expect((await run(pmd, ["daemon", "stop", "--stop-services", "--timeout", "5s"])).out).toBe("pmd  ended, and nothing of its services is left\n");
    expect(pmd.asked("shutdown")).toMatchObject({ stopServices: true, timeout: { seconds: 5n } });
  });

  test("that was not in time is an error: pmd stays", async () => {
    const pmd = new FakePmd();
    pmd.refusals.set("shutdown", pmError(Code.DeadlineExceeded, "TIMED_OUT", "web is still stopping after 60 s"));
    expect(await run(pmd, ["daemon", "stop", "--stop-services"])).toMatchObject({
      exitCode: 6,
      out: "",
      err: "error: web is still stopping after 60 s\n",
    });
  });
});

describe("daemon logs", () => {
  const pmdWith = (logFile: string): FakePmd => {
    const pmd = new FakePmd();
    pmd.info.logFile = logFile;
    return pmd;
  };

  test("shows the end of the file, and with -f what comes", async () => {
    writeFileSync(file, "one\ntwo\nthree\n");
    expect((await run(pmdWith(file), ["daemon", "logs", "-n", "2"])).out).toBe("two\nthree\n");
    const stop = new AbortController();
    let pauses = 0;
    const pause = async () => {
      if (++pauses === 1) appendFileSync(file, "four\n");
      else stop.abort();
    };
    const { out, exitCode } = await run(pmdWith(file), ["daemon", "logs", "-f", "-n", "1"], { session: { signal: stop.signal, pause } });
    expect({ out, exitCode }).toEqual({ out: "three\nfour\n", exitCode: 130 });
  });

  test("says where to look when there is no file, and why it cannot be read", async () => {
    expect(await run(pmdWith(""), ["daemon", "logs"])).toMatchObject({ exitCode: 0, out: "", err: expect.stringContaining("journalctl -u pmd") });
    expect(await run(pmdWith(file), ["daemon", "logs"])).toMatchObject({ exitCode: 1, err: `error: cannot read ${file}: no such file\n` });
  });
});

describe("the end of a file", () => {
  test("is as many lines as were asked for, over any number of chunks", () => {
    const lines = Array.from({ length: 20_000 }, (_, index) => `line ${index} ${"x".repeat(20)}\n`);
    writeFileSync(file, lines.join(""));
    for (const count of [0, 1, 2, 5000, 30_000]) {
      using tail = new FileTail(file);
      expect(tail.lastLines(count).toString()).toBe(count === 0 ? "" : lines.slice(-count).join(""));
    }
    using tail = new FileTail(file);
    expect(tail.lastLines(-1).toString()).toBe(lines.join(""));
  });

  test("counts what stands behind the last newline as a line", () => {
    writeFileSync(file, "one\ntwo\nthr");
    using tail = new FileTail(file);
    expect(tail.lastLines(2).toString()).toBe("two\nthr");
    appendFileSync(file, "ee\n");
    expect(tail.read().toString()).toBe("ee\n");
  });

  test("goes on in the new file after a rotation, and loses nothing of the old", () => {
    writeFileSync(file, "one\n");
    using tail = new FileTail(file);
    tail.lastLines(1);
    appendFileSync(file, "two\n");
    renameSync(file, `${file}.1`);
    expect(tail.read().toString()).toBe("two\n");
    writeFileSync(file, "three\n");
    expect(tail.read().toString()).toBe("three\n");
    appendFileSync(file, "four\n");
    renameSync(file, `${file}.1`);
    writeFileSync(file, "five\n");
    expect(tail.read().toString()).toBe("four\nfive\n");
  });
});

describe("version", () => {
  test("shows both, and says when they differ", async () => {
    const pmd = new FakePmd();
    expect(await run(pmd, ["version"])).toMatchObject({
      out: `pmctl  0.1.0  node ${process.version}\npmd    0.1.0  node v24.21.0  pid 4000\n`,
      err: "",
      exitCode: 0,
    });
    pmd.info.version = "0.0.9";
    expect((await run(pmd, ["version"])).err).toContain("pmctl and pmd differ");
    expect(JSON.parse((await run(pmd, ["version", "--json"])).out)).toMatchObject({ pmctl: { version: "0.1.0" }, pmd: { version: "0.0.9" } });
  });
});
