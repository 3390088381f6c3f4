import assert from "node:assert/strict";
import { isInTable } from "../host.ts";
import type { Story } from "../story.ts";

export const restarted: Story = {
  name: "systemd",
  title: "systemctl restart, kill -9 and systemctl stop of pmd leave every service running, and the next pmd adopts it with the pid it had",
  boots: [
    async (host) => {
      await host.startPmd();
      await host.start("one", "exec sleep 100000");
      await host.start("two", "trap 'exit 0' TERM; while :; do sleep 1; done", "-i", "2");
      const before = await runs();

      const first = host.pmdPid;
      host.run("systemctl", "restart", "pmd");
      assert.notEqual(host.pmdPid, first);
      assert.deepEqual(await adoptedRuns(), before);

      const second = host.pmdPid;
      process.kill(second, "SIGKILL");
      await host.eventually(() => host.pmdPid !== 0 && host.pmdPid !== second);
      assert.deepEqual(await adoptedRuns(), before);

      host.run("systemctl", "stop", "pmd");
      assert.equal(host.pmdPid, 0);
      for (const { pid } of before) assert.ok(isInTable(pid), `${pid} is gone`);
      host.run("systemctl", "start", "pmd");
      assert.deepEqual(await adoptedRuns(), before);

      async function runs() {
        const instances = await host.instances();
        return instances.map(({ name, run }) => ({ name, id: run?.id ?? "", pid: run?.pid ?? 0 })).sort((a, b) => (a.name < b.name ? -1 : 1));
      }

      /** Once pmd has seen what became of each. */
      async function adoptedRuns() {
        await host.eventually(async () => (await host.instances()).every(({ state, run }) => state === "STATE_RUNNING" && run?.adopted));
        return runs();
      }
    },
  ],
};
