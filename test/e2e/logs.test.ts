import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ConnectError } from "@connectrpc/connect";
import { expect, it } from "vitest";
import { LogService, LogStream } from "../../gen/pm/v1/log_service_pb.ts";
import { RestartPolicy_Mode } from "../../gen/pm/v1/service_pb.ts";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { startDaemon } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { logFiles } from "../support/log-content.ts";
import { checkNumberedLines, countForever } from "../support/numbered-lines.ts";
import { named, shell } from "../support/specs.ts";

const small = { process: { logs: { rotate: { size: 65_536n, backups: 1000 } } } };

it("a follower that comes back with its cursor after pmd was killed reads each line once, over rotation and restarts", async () => {
  await using daemon = await startDaemon();
  const client = daemon.client(SupervisorService);
  await client.createService({ name: "web", spec: shell(daemon, countForever, small) });
  const filter = { selector: named("web"), streams: [LogStream.STDOUT] };
  const numbers: number[] = [];
  let cursor = "";
  for (let life = 0; life < 4; life++) {
    const goal = numbers.length + 20_000;
    try {
      const from = cursor ? { cursor } : { tail: 100_000 };
      for await (const batch of daemon.client(LogService).followLogs({ filter, ...from })) {
        expect(batch.gaps).toEqual([]);
        // A line that is shown before its end goes on in the next entry; the writer here ends its lines at once.
        numbers.push(...batch.entries.map(({ content }) => Number(content.value)));
        cursor = batch.cursor;
        if (numbers.length > goal && life < 3) await daemon.kill9();
        if (numbers.length > goal && life === 3) break;
      }
    } catch (error) {
      expect(ConnectError.from(error)).toBeInstanceOf(ConnectError);
      await daemon.start();
    }
  }
  expect(numbers[0]).toBe(1);
  expect(numbers.every((number, at) => at === 0 || number === (numbers[at - 1] ?? 0) + 1)).toBe(true);
  await client.stopServices({ selector: named("web") });
  await eventually(() => logFiles(join(daemon.logDir, "web/out.log")).length > 3);
  expect(checkNumberedLines(join(daemon.logDir, "web/out.log"))).toMatchObject({ missing: 0, doubled: 0, torn: [] });
});

it("reads pages, tails, times and streams, and says what there is", async () => {
  await using daemon = await startDaemon();
  const client = daemon.client(LogService);
  const line = "for i in 1 2 3 4 5; do echo out $i; echo err $i >&2; done; printf 'no end'; exec sleep 1000";
  await daemon.client(SupervisorService).createService({ name: "web", spec: shell(daemon, line) });
  const selector = named("web");
  await eventually(async () => (await client.readLogs({ filter: { selector } })).entries.length === 11);
  const out = await client.readLogs({ filter: { selector, streams: [LogStream.STDOUT] }, maxEntries: 4 });
  expect(out.entries.map(({ content }) => content.value)).toEqual(["out 1", "out 2", "out 3", "out 4"]);
  const rest = await client.readLogs({ filter: { selector, streams: [LogStream.STDOUT] }, cursor: out.cursor });
  expect(rest.entries.map(({ content, partial }) => [content.value, partial])).toEqual([
    ["out 5", false],
    ["no end", true],
  ]);
  expect(rest.atEnd).toBe(true);
  const tail = await client.readLogs({ filter: { selector, streams: [LogStream.STDERR] }, tail: 2 });
  expect(tail.entries.map(({ content }) => content.value)).toEqual(["err 4", "err 5"]);
  const { sources } = await client.listLogSources({ selector });
  expect(sources.map(({ stream, path }) => [stream, path])).toEqual([
    [LogStream.STDOUT, join(daemon.logDir, "web/out.log")],
    [LogStream.STDERR, join(daemon.logDir, "web/err.log")],
  ]);
  // A pump that is busy is not waited for.
  await eventually(async () => (await client.listLogSources({ selector })).sources[0]?.writtenBytes === 36n);
  const { paths } = await client.rotateLogs({ selector });
  expect(paths.length).toBe(2);
  expect((await client.readLogs({ filter: { selector } })).entries.length).toBe(11);
  const { freedBytes } = await client.purgeLogs({ selector });
  expect(freedBytes > 60n).toBe(true);
  await expect(client.readLogs({ filter: { selector: named("nobody") } })).rejects.toThrow(/no service is named "nobody"/);
  await expect(client.readLogs({ filter: { selector }, cursor: "garbage" })).rejects.toThrow(/cursor/);
});

it("finds lines by text, expression, time and run, and says what it cannot do", async () => {
  await using daemon = await startDaemon();
  const client = daemon.client(LogService);
  const line = "for i in 1 2 3; do echo out $i; echo ERR $i >&2; done; exec sleep 1000";
  await daemon.client(SupervisorService).createService({ name: "web", spec: shell(daemon, line) });
  const selector = named("web");
  const read = async (filter: object, more: object = {}) => (await client.readLogs({ filter: { selector, ...filter }, ...more })).entries;
  const textsOf = async (filter: object, more: object = {}) => (await read(filter, more)).map(({ content }) => content.value);
  const count = async (wanted: number) => eventually(async () => (await read({})).length === wanted);
  await count(6);
  const [first] = await read({});
  await daemon.client(SupervisorService).restartServices({ selector });
  await count(12);
  expect(await textsOf({ grep: "err 2", ignoreCase: true })).toEqual(["ERR 2", "ERR 2"]);
  expect(await textsOf({ grep: "err 2" })).toEqual([]);
  expect(await textsOf({ regex: "^out [12]$", run: "0" })).toEqual(["out 1", "out 2"]);
  expect(await textsOf({ grep: "out" }, { tail: 1 })).toEqual(["out 3"]);
  const earlier = await read({ run: "-1" });
  expect(earlier.map(({ runId }) => runId)).toEqual(Array.from({ length: 6 }, () => first?.runId));
  expect(await read({ run: first?.runId })).toEqual(earlier);
  expect((await read({ until: earlier.at(-1)?.time })).length).toBe(6);
  await expect(read({ run: "-2" })).rejects.toThrow(/no run -2/);
  await expect(read({ run: "yesterday" })).rejects.toThrow(/run/);
  await expect(read({ regex: "a(" })).rejects.toThrow(/a\(/);
  const until = { seconds: 1n, nanos: 0 };
  await expect(Array.fromAsync(client.followLogs({ filter: { selector, until } }))).rejects.toThrow(/until/);
  const pmctl = await daemon.pmctl(["logs", "web", "--run", "-1", "--regex", "^(OUT|err) 3$", "-i"]);
  expect(pmctl).toMatchObject({ code: 0, stdout: expect.stringMatching(/^(out 3\nERR 3|ERR 3\nout 3)\n$/) });
});

it("pmctl logs -f goes on when pmd was killed and is back, without a line lost or doubled, and ends when nobody reads", async () => {
  await using daemon = await startDaemon();
  await daemon.client(SupervisorService).createService({ name: "web", spec: shell(daemon, countForever, small) });
  const child = daemon.spawnPmctl(["logs", "web", "--stdout", "-n", "all", "-f"]);
  let out = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    out += text;
  });
  for (let life = 0; life < 3; life++) {
    const before = out.length;
    await eventually(() => out.length > before + 20_000);
    await daemon.kill9();
    await daemon.start();
  }
  const before = out.length;
  await eventually(() => out.length > before + 20_000);
  const ended = once(child, "exit");
  child.stdout.destroy();
  expect(await ended).toEqual([0, null]);
  const numbers = out.slice(0, out.lastIndexOf("\n")).split("\n").map(Number);
  expect(numbers.length).toBeGreaterThan(1000);
  expect(numbers.findIndex((number, at) => number !== at + 1)).toBe(-1);
});

it("bytes that are no text are kept on disk and sent as they are, and a deleted service can take its logs with it", async () => {
  await using daemon = await startDaemon();
  const client = daemon.client(LogService);
  writeFileSync(join(daemon.root, "bytes"), Buffer.from([0xff, 0xfe, 0x00, 0x1b, 0x5b, 0x0a, 0x6f, 0x6b, 0x0a]));
  await daemon.client(SupervisorService).createService({ name: "web", spec: shell(daemon, "cat bytes; exec sleep 1000") });
  const selector = named("web");
  const { entries } = await eventually(async () => {
    const page = await client.readLogs({ filter: { selector } });
    return page.entries.length === 2 && page;
  });
  expect(entries[0]?.content).toEqual({ case: "raw", value: new Uint8Array([0xff, 0xfe, 0x00, 0x1b, 0x5b]) });
  expect(entries[1]?.content).toEqual({ case: "text", value: "ok" });
  await daemon.client(SupervisorService).deleteServices({ selector, purgeLogs: true });
  expect(checkNumberedLines(join(daemon.logDir, "web/out.log")).lines).toBe(0);
});

it("files that a service writes by itself are listed once, whether they are there or not, and pmctl shows their ends", async () => {
  await using daemon = await startDaemon();
  const line = "echo mine > own.log; exec sleep 1000";
  const process = { logs: { hints: ["own.log", "never.log"] } };
  await daemon.client(SupervisorService).createService({ name: "web", spec: shell(daemon, line, { instances: 2, process }) });
  const own = join(daemon.root, "own.log");
  const hints = async () => (await daemon.client(LogService).listLogSources({ selector: named("web") })).sources.filter(({ hint }) => hint);
  await eventually(async () => (await hints())[0]?.sizeBytes === 5n);
  const [first, second, ...others] = await hints();
  expect(first).toMatchObject({ instance: "default/web", stream: LogStream.UNSPECIFIED, path: own, newestTime: expect.anything() });
  expect(second).toMatchObject({ path: join(daemon.root, "never.log"), sizeBytes: 0n });
  expect(second?.newestTime).toBeUndefined();
  expect(others).toEqual([]);
  const shown = await daemon.pmctl(["logs", "web", "--hints"]);
  expect(shown).toMatchObject({ code: 1, stdout: expect.stringContaining(`==> ${own} <==\nmine\n`), stderr: expect.stringContaining("never.log") });
});

it("what a failed start said last is in the answer", async () => {
  await using daemon = await startDaemon();
  const client = daemon.client(SupervisorService);
  const policy = { restart: { policy: RestartPolicy_Mode.NEVER }, start: { settle: { seconds: 60n } } };
  const spec = shell(daemon, "echo chatter; echo 'the disk is on fire' >&2; exit 3", policy);
  const { results } = await client.createService({ name: "bad", spec });
  expect(results[0]?.problem).toMatchObject({ reason: "EXITED_EARLY", lastLines: ["the disk is on fire"] });
  const { runs } = await client.getService({ name: "bad", runHistory: 1 });
  expect(runs[0]?.exit).toMatchObject({ code: 3 });
});
