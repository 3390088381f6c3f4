import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { countOomKills } from "../../../src/host/cgroup.ts";
import { makeTempDir } from "../../support/temp-dir.ts";

it("a control group says how many of its processes the kernel has killed for want of memory, where it counts them", async () => {
  await using group = makeTempDir();
  expect(countOomKills(group.path)).toBeUndefined();
  writeFileSync(join(group.path, "memory.events"), "low 0\nhigh 0\nmax 21\noom 4\noom_kill 3\noom_group_kill 9\n");
  expect(countOomKills(group.path)).toBe(3);
});
