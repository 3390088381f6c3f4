import { expect, test } from "vitest";
import { type Write, WriteQueue } from "../../../src/store/write-queue.ts";
import * as stored from "../../support/stored-records.ts";

test("a full queue loses its oldest events first", () => {
  const queue = new WriteQueue(3);
  for (const write of [event(1), begin("a"), event(2), event(3), end("a")]) queue.add(write);
  expect([...queue]).toEqual([begin("a"), event(3), end("a")]);
});

test("a full queue without events grows rather than lose the end of a run", () => {
  const queue = new WriteQueue(2);
  for (const write of [begin("a"), end("a"), begin("b"), end("b")]) queue.add(write);
  expect([...queue]).toEqual([begin("a"), end("a"), begin("b"), end("b")]);
});

test("a cleared queue counts its events anew", () => {
  const queue = new WriteQueue(1);
  queue.add(event(1));
  queue.clear();
  for (const write of [begin("a"), end("a")]) queue.add(write);
  expect([...queue]).toEqual([begin("a"), end("a")]);
});

function event(sequence: number): Write {
  return { kind: "event", event: stored.event(sequence) };
}

function begin(id: string): Write {
  return { kind: "begin", run: stored.run(id) };
}

function end(runId: string): Write {
  return { kind: "end", runId, end: stored.exit() };
}
