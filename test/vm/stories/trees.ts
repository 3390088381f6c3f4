import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cgroupOf, isInTable, processesOf } from "../host.ts";
import { inRootGroup, withControllers } from "../root-group.ts";
import type { Story } from "../story.ts";

/** It leaves its parent, its session and its process group, and takes no advice. */
const runaway = "setsid sh -c 'trap \"\" TERM HUP INT; (sleep 100001 &); sleep 100002; sleep 100003' &";

export const trees: Story = {
  name: "trees",
  title: "each run has a control group of its own, and a stop leaves nothing in it, not of what forks twice, begins sessions and ignores TERM",
  boots: [
    async (host) => {
      await host.startPmd();
      const other = await host.start("other", "exec sleep 100000");
      const pid = await host.start("wild", `trap '' TERM; ${runaway} ${runaway} while :; do sleep 1; done`, "--grace", "1s");
      const group = cgroupOf(pid);
      assert.notEqual(group, cgroupOf(other));
      assert.notEqual(group, cgroupOf(host.pmdPid));
      // Both escapes, each with its two children, and the main one.
      const tree = await host.eventually(() => {
        const pids = processesOf(group.replace("/sys/fs/cgroup", ""));
        return pids.length >= 7 && pids;
      });
      await host.pmctl("stop", "wild");
      assert.deepEqual(processesOf(group.replace("/sys/fs/cgroup", "")), []);
      await host.eventually(() => !existsSync(group));
      // None is left as a zombie either: PID 1 has seen the end of each.
      await host.eventually(() => !tree.some(isInTable));
      assert.ok(isInTable(other));
    },
  ],
};

export const forkBomb: Story = {
  name: "fork-bomb",
  title: "a fork bomb that has come to the limit of its group is stopped, and nothing of it is left",
  boots: [
    async (host) => {
      await host.startPmd(inRootGroup);
      const pid = await host.start("bomb", "until [ -e /run/go ]; do sleep 1; done; f() { f | f & }; f; while :; do f; done", "--grace", "1s");
      const group = withControllers(cgroupOf(pid), { "pids.max": "150" });
      writeFileSync("/run/go", "");
      await host.eventually(() => processesOf(group.replace("/sys/fs/cgroup", "")).length >= 100);
      // pmd is not in there, and answers.
      assert.equal((await host.instance("bomb")).state, "STATE_RUNNING");
      await host.pmctl("stop", "bomb");
      assert.deepEqual(processesOf(group.replace("/sys/fs/cgroup", "")), []);
      await host.eventually(() => !existsSync(join(group)));
    },
  ],
};
