import type * as Fs from "node:fs";
import { lstatSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { expect, test, vi } from "vitest";
import { ListEventsResponseSchema } from "../../gen/pm/v1/event_service_pb.ts";
import { createEventClient, startApiServer } from "../support/api-server.ts";
import { runProgram } from "../support/run-program.ts";
import { makeTempDir } from "../support/temp-dir.ts";

// The mode that the socket has when its owner is set: that is, before anybody could have been let in.
const bornWith: number[] = [];
vi.mock("node:fs", async (load) => {
  const fs = await load<typeof Fs>();
  const lchownSync: typeof fs.lchownSync = (path, uid, gid) => {
    bornWith.push(fs.lstatSync(path).mode & 0o777);
    fs.lchownSync(path, uid, gid);
  };
  return { ...fs, lchownSync };
});

const events = { listEvents: () => create(ListEventsResponseSchema, { cursor: "here" }) };

const ask = (path: string) => createEventClient(path).listEvents({});

test("the socket is born closed to everybody, and opened with the mode that was asked for", async () => {
  const umask = process.umask();
  await using server = await startApiServer({ mode: 0o660 });
  expect(bornWith.at(-1)).toBe(0);
  expect(lstatSync(server.path).mode & 0o777).toBe(0o660);
  expect(process.umask()).toBe(umask);
});

test("the socket is for its owner alone unless said otherwise", async () => {
  await using server = await startApiServer();
  expect(lstatSync(server.path).mode & 0o777).toBe(0o600);
});

test.skipIf(process.getuid?.() !== 0)("the socket belongs to the owner and group that were named or numbered", async () => {
  await using named = await startApiServer({ owner: "daemon", group: "daemon" });
  expect(lstatSync(named.path)).toMatchObject({ uid: 1, gid: 1 });
  await using numbered = await startApiServer({ group: "12345" });
  expect(lstatSync(numbered.path)).toMatchObject({ uid: 0, gid: 12345 });
});

test("an owner or group that does not exist is refused before there is a socket", async () => {
  await using directory = makeTempDir();
  const path = join(directory.path, "s");
  await expect(startApiServer({ path, owner: "nobody-of-this-name" })).rejects.toThrow('no user of /etc/passwd is named "nobody-of-this-name"');
  await expect(startApiServer({ path, group: "nobody-of-this-name" })).rejects.toThrow("no group of /etc/group");
  expect(lstatSync(path, { throwIfNoEntry: false })).toBeUndefined();
});

test("a path of 107 bytes is served, one of 108 is refused, and bytes are what counts", async () => {
  await using directory = makeTempDir();
  const ofBytes = (bytes: number) => join(directory.path, "s".repeat(bytes - directory.path.length - 1));
  await using server = await startApiServer({ path: ofBytes(107), events });
  expect(await ask(server.path)).toMatchObject({ cursor: "here" });
  await expect(startApiServer({ path: ofBytes(108) })).rejects.toThrow(/has 108 bytes, and the path of a socket has at most 107/);
  const wide = join(directory.path, "ä".repeat(60));
  await expect(startApiServer({ path: wide })).rejects.toThrow(`has ${Buffer.byteLength(wide)} bytes`);
});

test("the socket of a pmd that was killed is taken over", async () => {
  await using directory = makeTempDir();
  const path = join(directory.path, "s");
  const program = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
  expect(await runProgram([process.execPath, "-e", program])).toMatchObject({ code: "SIGKILL" });
  expect(lstatSync(path).isSocket()).toBe(true);
  await using server = await startApiServer({ path, events });
  expect(await ask(server.path)).toMatchObject({ cursor: "here" });
});

test("the socket of a pmd that serves is left to it, and named", async () => {
  await using server = await startApiServer({ events });
  await expect(startApiServer({ path: server.path })).rejects.toThrow(`another pmd serves on ${server.path}`);
  expect(await ask(server.path)).toMatchObject({ cursor: "here" });
});

test.for(["file", "directory", "symlink"])("a %s in the socket's place is refused and left alone", async (kind) => {
  await using directory = makeTempDir();
  const path = join(directory.path, "s");
  if (kind === "file") writeFileSync(path, "precious");
  if (kind === "directory") mkdirSync(path);
  if (kind === "symlink") symlinkSync("/nowhere", path);
  const before = lstatSync(path);
  await expect(startApiServer({ path })).rejects.toThrow(`cannot listen on ${path}: something is there that is not a socket`);
  expect(lstatSync(path).ino).toBe(before.ino);
});

test("a directory that is missing is a clear error", async () => {
  await expect(startApiServer({ path: "/no/such/directory/s" })).rejects.toThrow(
    "cannot listen on /no/such/directory/s: there is no directory /no/such/directory",
  );
});

test("the socket is gone when the listener is closed", async () => {
  await using server = await startApiServer();
  await server.listener.close(0);
  expect(lstatSync(server.path, { throwIfNoEntry: false })).toBeUndefined();
});
