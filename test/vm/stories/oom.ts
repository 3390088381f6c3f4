import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { cgroupOf, isInTable } from "../host.ts";
import { inRootGroup, withControllers } from "../root-group.ts";
import type { Story } from "../story.ts";

export const oom: Story = {
  name: "oom",
  title: "a service that the kernel kills for want of memory is said to have ended by that, and nobody else is hurt",
  boots: [
    async (host) => {
      host.define({
        other: "exec sleep 100000",
        hungry: "until [ -e /run/eat ]; do sleep 1; done; exec tail /dev/zero",
        parent: "until [ -e /run/eat ]; do sleep 1; done; tail /dev/zero; exit 3",
      });
      await host.startPmd(inRootGroup);
      const [other, hungry, parent] = [await pidOf("other"), await pidOf("hungry"), await pidOf("parent")];
      for (const pid of [hungry, parent]) withControllers(cgroupOf(pid), { "memory.max": "30M", "memory.oom.group": "0" });
      writeFileSync("/run/eat", "");

      const ended = await host.eventually(async () => {
        const instance = await host.instance("hungry");
        return instance.lastExit && instance;
      });
      assert.equal(ended.lastExit?.cause, "CAUSE_OOM");
      assert.equal(ended.lastExit?.signal, "SIGKILL");
      assert.deepEqual(
        ended.conditions?.map(({ type }) => type),
        ["TYPE_OOM_KILLED"],
      );
      // Its own end is another matter than that of a child, but the child explains it.
      const child = await host.eventually(async () => (await host.instance("parent")).lastExit);
      assert.equal(child.cause, "CAUSE_EXITED");
      assert.equal(child.code, 3);
      assert.match(child.message ?? "", /memory/);
      assert.ok(isInTable(other));
      assert.notEqual(host.pmdPid, 0);

      function pidOf(name: string): Promise<number> {
        return host.eventually(() => host.pid(name));
      }
    },
  ],
};
