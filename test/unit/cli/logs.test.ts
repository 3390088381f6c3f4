import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { LogGap_Reason as GapReason, type LogEntry, LogEntrySchema, LogGapSchema, LogStream } from "../../../gen/pm/v1/log_service_pb.ts";
import { makeTempDir } from "../../support/temp-dir.ts";
import { FakePmd, pmError } from "./fake-pmd.ts";
import { now, type RunOptions, runPmctl } from "./run-pmctl.ts";

function entry(instance: string, content: string | Uint8Array, more: { stream?: LogStream; partial?: boolean; ageS?: number } = {}): LogEntry {
  const { ageS = 60, ...rest } = more;
  return create(LogEntrySchema, {
    instance: `default/${instance}`,
    stream: LogStream.STDOUT,
    time: { seconds: BigInt(now / 1000 - ageS), nanos: 123_000_000 },
    content: typeof content === "string" ? { case: "text", value: content } : { case: "raw", value: content },
    ...rest,
  });
}

function pmdWith(...entries: LogEntry[]): FakePmd {
  const pmd = new FakePmd();
  pmd.entries.push(...entries);
  return pmd;
}

const logs = (pmd: FakePmd, argv: string[], options: Partial<RunOptions> = {}) =>
  runPmctl(["logs", ...argv], { transport: pmd.transport, ...options });

describe("logs", () => {
  test("of one source are its lines and nothing else", async () => {
    expect(await logs(pmdWith(entry("web#0", "one"), entry("web#0", "two")), ["web"])).toMatchObject({ out: "one\ntwo\n", err: "", exitCode: 0 });
  });

  test("of several stand behind their aligned names; a service of one instance goes by its own", async () => {
    const pmd = pmdWith(entry("web#0", "a"), entry("web#1", "b"), entry("api-server#0", "c"));
    expect((await logs(pmd, [])).out).toBe("web#0      | a\nweb#1      | b\napi-server | c\n");
  });

  test("show the last 50 lines, with -n others, and with --since all since then", async () => {
    const pmd = pmdWith(...Array.from({ length: 60 }, (_, index) => entry("web#0", `line ${index}`)));
    expect((await logs(pmd, ["web"])).out.split("\n")[0]).toBe("line 10");
    expect((await logs(pmd, ["web", "-n", "2"])).out).toBe("line 58\nline 59\n");
    expect((await logs(pmd, ["web", "-n", "all"])).out.split("\n")[0]).toBe("line 0");
    expect((await logs(pmd, ["web", "-n", "0"])).out).toBe("");
    await logs(pmd, ["web", "--since", "10m"]);
    expect(pmd.asked("readLogs")).toMatchObject({ tail: 0, filter: { since: { seconds: BigInt(now / 1000 - 600) } } });
  });

  test("ask pmd for what was said: a window in time, text, an expression, a run", async () => {
    const pmd = pmdWith(entry("web#0", "one"));
    await logs(pmd, ["web", "--since", "10m", "--until", "2026-11-21T09:58:00Z", "--grep", "time out", "--regex", "a+", "-i", "--run", "-1"]);
    expect(pmd.asked("readLogs")).toMatchObject({
      tail: 0,
      filter: { until: { seconds: BigInt(now / 1000 - 120) }, grep: "time out", regex: "a+", ignoreCase: true, run: "-1" },
    });
    await logs(pmd, ["web", "--grep", "x", "-n", "7"]);
    expect(pmd.asked("readLogs")).toMatchObject({ tail: 7, filter: { grep: "x", ignoreCase: false } });
  });

  test.each([
    [["-f", "--until", "1h"], "--follow and --until"],
    [["-i"], "-i: say what to look for"],
    [["--run", "the last"], "--run:"],
    [["--until", "soon"], "--until:"],
    [["--since", "1m", "--until", "5m"], "--since and --until: the second is before the first"],
    [["--hints", "--since", "1m"], "--hints goes with names, -n and --raw alone"],
    [["--regex", "a("], "--regex: Invalid regular expression: /a(/"],
  ])("%j is wrong usage, and it is said what is wrong", async (argv, said) => {
    expect(await logs(pmdWith(), argv)).toMatchObject({ exitCode: 2, err: expect.stringContaining(said) });
  });

  test("an answer that is empty and not the end is not taken for the end", async () => {
    const pmd = pmdWith(entry("web#0", "far away"));
    pmd.searchPages = 3;
    expect(await logs(pmd, ["--grep", "far"])).toMatchObject({ out: "far away\n", exitCode: 0 });
  });

  test("lines whose time is still to come, of a clock that was set back since, are not taken for the end", async () => {
    const pmd = pmdWith(entry("web#0", "ahead", { ageS: -3600 }), entry("web#0", "behind"), entry("web#0", "last"));
    pmd.pageLines = 1;
    expect((await logs(pmd, ["web", "-n", "all"])).out).toBe("ahead\nbehind\nlast\n");
  });

  test("lines that are written while others are shown keep nobody here", async () => {
    const pmd = pmdWith(...Array.from({ length: 100 }, (_, at) => entry("web#0", `line ${at}`, { ageS: 2 - at })));
    pmd.pageLines = 1;
    let nowMs = now;
    const { out } = await logs(pmd, ["web", "-n", "all"], { session: { now: () => (nowMs += 1000) } });
    expect(out.split("\n").length).toBeLessThan(10);
  });

  test("-t puts the time before each line", async () => {
    expect((await logs(pmdWith(entry("web#0", "one")), ["-t"])).out).toMatch(/^2026-11-21T\d\d:59:00\.123(Z|[+-]\d\d:\d\d) one\n$/);
    expect((await logs(pmdWith(entry("web#0", "one")), ["-t"], { screen: "terminal" })).out).toMatch(/^2026-11-21 \d\d:59:00\.123 one\n$/);
  });

  test("--stderr and --stdout ask for that stream alone", async () => {
    const pmd = pmdWith(entry("web#0", "out"), entry("web#0", "err", { stream: LogStream.STDERR }));
    expect((await logs(pmd, ["--stderr"])).out).toBe("err\n");
    expect((await logs(pmd, ["--stdout"])).out).toBe("out\n");
  });

  test("on a terminal nothing of a line is obeyed, elsewhere it is what was written", async () => {
    const pmd = pmdWith(entry("web#0", "\u001b]0;owned\u0007\u001b[31mred\u001b[0m\tx"));
    expect((await logs(pmd, [], { screen: "terminal" })).out).toBe("^[]0;owned^Gred\tx\n");
    expect((await logs(pmd, [])).out).toBe("\u001b]0;owned\u0007\u001b[31mred\u001b[0m\tx\n");
  });

  test("--raw gives every byte and no other, also on a terminal and of several sources", async () => {
    const bytes = Uint8Array.of(0xff, 0x00, 0x1b, 0x80);
    const pmd = pmdWith(entry("web#0", bytes), entry("web#1", "text"), entry("web#0", "no newline", { partial: true }));
    const { bytes: written } = await logs(pmd, ["--raw"], { screen: "terminal" });
    expect(written).toEqual(Buffer.concat([bytes, Buffer.from("\ntext\nno newline")]));
  });

  test("a line that comes in parts is one line, and another source does not run into it", async () => {
    const pmd = pmdWith(
      entry("web#0", "to be ", { partial: true }),
      entry("web#0", "continued"),
      entry("web#0", "cut", { partial: true }),
      entry("api#0", "other"),
    );
    expect((await logs(pmd, [])).out).toBe("web | to be continued\nweb | cut\napi | other\n");
  });

  test("a last line without its newline still ends the output with one", async () => {
    expect((await logs(pmdWith(entry("web#0", "prompt> ", { partial: true })), ["web"])).out).toBe("prompt> \n");
  });

  test("what is missing is said beside the output, not in it", async () => {
    const pmd = pmdWith(entry("web#0", "after"));
    pmd.gaps.push(
      create(LogGapSchema, { instance: "default/web#0", bytes: 4096n, reason: GapReason.DROPPED, time: { seconds: BigInt(now / 1000 - 120) } }),
    );
    expect(await logs(pmd, ["web"])).toMatchObject({ out: "after\n", err: "-- 4096 bytes missing: disk full --\n" });
  });

  test("-o jsonl is one entry of the proto a line", async () => {
    const { out } = await logs(pmdWith(entry("web#0", "one"), entry("web#0", "two")), ["-o", "jsonl"]);
    expect(
      out
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line).text),
    ).toEqual(["one", "two"]);
  });
});

describe("logs --hints", () => {
  test("shows the ends of the files that the spec names, each below its path, and one alone as it is", async () => {
    await using dir = makeTempDir();
    const [access, slow] = [join(dir.path, "access.log"), join(dir.path, "slow.log")];
    writeFileSync(access, "one\ntwo\nthree\n");
    writeFileSync(slow, "\u001b]0;owned\u0007\n");
    const pmd = pmdWith(entry("web#0", "own"));
    expect((await logs(pmd, ["web"])).out).toBe("own\n");
    pmd.hints.push(access);
    expect(await logs(pmd, ["web", "--hints", "-n", "2"])).toMatchObject({ out: "two\nthree\n", err: "", exitCode: 0 });
    expect((await logs(pmd, ["web"])).out).toBe("own\n");
    pmd.hints.push(slow);
    const { out } = await logs(pmd, ["web", "--hints", "-n", "1"], { screen: "terminal" });
    expect(out).toBe(`==> ${access} <==\nthree\n\n==> ${slow} <==\n^[]0;owned^G\n`);
    expect((await logs(pmd, ["web", "--hints", "--raw", "-n", "1"], { screen: "terminal" })).out).toBe("three\n\u001b]0;owned\u0007\n");
  });

  test("a file that is not there is an error, and keeps nobody from the others", async () => {
    await using dir = makeTempDir();
    const there = join(dir.path, "there.log");
    writeFileSync(there, "line\n");
    const pmd = pmdWith();
    pmd.hints.push(join(dir.path, "none.log"), there);
    const { out, err, exitCode } = await logs(pmd, ["web", "--hints"]);
    expect({ err, exitCode }).toEqual({ err: `cannot read ${dir.path}/none.log: no such file\n`, exitCode: 1 });
    expect(out).toContain("line\n");
    pmd.hints.push(dir.path);
    expect((await logs(pmd, ["web", "--hints"])).err).toContain(`cannot read ${dir.path}: it is no plain file\n`);
    expect(await logs(pmdWith(), ["web", "--hints"])).toMatchObject({ exitCode: 4, err: expect.stringContaining("logs.hints") });
  });
});

describe("logs -f", () => {
  /** Ends the session as Ctrl-C does, when the script has been read. */
  function followed(
    pmd: FakePmd,
    script: (cursor: string, end: () => void) => AsyncIterable<{ entries?: LogEntry[]; cursor?: string }>,
    argv = ["-f", "web"],
  ) {
    const stop = new AbortController();
    pmd.followScript = (cursor) => script(cursor, () => stop.abort());
    return logs(pmd, argv, { session: { signal: stop.signal } });
  }

  test("goes on where the last lines ended, until Ctrl-C, which is no error", async () => {
    const pmd = pmdWith(entry("web#0", "before"));
    const ended = await followed(pmd, async function* (cursor, end) {
      yield { entries: [entry("web#0", `after ${cursor}`)], cursor: "1" };
      yield { cursor: "1" };
      end();
      yield {};
    });
    expect(ended).toEqual(expect.objectContaining({ out: "before\nafter read\n", err: "", exitCode: 130 }));
  });

  test("with -n 0 begins now", async () => {
    const pmd = pmdWith(entry("web#0", "before"));
    const ended = await followed(
      pmd,
      async function* (_cursor, end) {
        yield { entries: [entry("web#0", "now")] };
        end();
        yield {};
      },
      ["-f", "-n", "0"],
    );
    expect(ended.out).toBe("now\n");
    expect(pmd.asked("followLogs")).toMatchObject({ cursor: "", tail: 0 });
  });

  test("when pmd goes away it goes on at the last cursor once pmd is back: nothing is lost or shown twice", async () => {
    const cursors: string[] = [];
    const ended = await followed(pmdWith(entry("web#0", "0")), async function* (cursor, end) {
      cursors.push(cursor);
      switch (cursors.length) {
        case 1:
          yield { entries: [entry("web#0", "1")], cursor: "at 1" };
          throw new ConnectError("gone", Code.Unavailable);
        case 2:
          throw new ConnectError("still gone", Code.Unavailable);
        case 3:
          yield { entries: [entry("web#0", "2")], cursor: "at 2" };
          return;
        default:
          end();
          yield {};
      }
    });
    expect(cursors).toEqual(["read", "at 1", "at 1", "at 2"]);
    expect(ended.out).toBe("0\n1\n2\n");
    expect(ended.err).toBe("-- pmd is away; waiting for it --\n-- pmd is back --\n-- pmd is away; waiting for it --\n");
  });

  test("when pmd goes away while the first lines are read, the rest comes once it is back", async () => {
    const pmd = pmdWith(entry("web#0", "1"), entry("web#0", "2"));
    pmd.pageLines = 1;
    pmd.awayAt = "read 1";
    const script = async function* (cursor: string, end: () => void) {
      yield { entries: [entry("web#0", `after ${cursor}`)], cursor: "2" };
      end();
      yield {};
    };
    expect(await followed(pmd, script, ["-f", "-n", "all"])).toMatchObject({ out: "1\nafter read 1\n", exitCode: 130 });
    expect(await logs(pmd, ["-n", "all"])).toMatchObject({ out: "1\n", exitCode: 5 });
  });

  test("when the history has begun anew it begins anew, and says so", async () => {
    const cursors: string[] = [];
    const ended = await followed(pmdWith(), async function* (cursor, end) {
      cursors.push(cursor);
      if (cursor !== "") throw pmError(Code.OutOfRange, "CURSOR_EXPIRED", "gone");
      yield { entries: [entry("web#0", "new")] };
      end();
      yield {};
    });
    expect(cursors).toEqual(["read", ""]);
    expect(ended.out).toBe("new\n");
    expect(ended.err).toContain("the history has begun anew");
  });

  test("an error that no waiting can mend ends it", async () => {
    const ended = await followed(pmdWith(), async function* () {
      yield* [];
      throw pmError(Code.NotFound, "NOT_FOUND", "no service is named web");
    });
    expect(ended).toMatchObject({ exitCode: 4, err: "error: no service is named web\n" });
  });

  test("a second instance that comes later puts names before the lines", async () => {
    const ended = await followed(pmdWith(entry("web#0", "alone")), async function* (_cursor, end) {
      yield { entries: [entry("web#1", "b"), entry("web#0", "a")] };
      end();
      yield {};
    });
    expect(ended.out).toBe("alone\nweb#1 | b\nweb#0 | a\n");
  });
});
