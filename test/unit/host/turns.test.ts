import { setImmediate as nextImmediate } from "node:timers/promises";
import { expect, it } from "vitest";
import { Turns } from "../../../src/host/turns.ts";

/** Longer than a turn. */
function work(): void {
  const end = performance.now() + 6;
  while (performance.now() < end);
}

it("work is done in the order in which it came, and others get their turn in between", async () => {
  const turns = new Turns();
  const seen: string[] = [];
  for (const name of ["a", "b", "c"]) {
    turns.soon(() => {
      work();
      seen.push(name);
    });
  }
  expect(seen).toEqual([]);
  for (let round = 1; round <= 3; round++) {
    await nextImmediate();
    seen.push(`other ${round}`);
  }
  expect(seen).toEqual(["a", "other 1", "b", "other 2", "c", "other 3"]);
});

it("what waits already is not done twice, and what is asked for meanwhile is done once more", async () => {
  const turns = new Turns();
  let times = 0;
  const count = (): void => {
    times++;
    if (times === 1) turns.soon(count);
  };
  turns.soon(count);
  turns.soon(count);
  for (let round = 0; round < 5; round++) await nextImmediate();
  expect(times).toBe(2);
});
