import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { isInTable } from "../host.ts";
import type { Story } from "../story.ts";

/** Whatever is written goes to the disk at once, and its errors come back at once; without a journal the file system lives on after them. */
const direct = { format: ["-O", "^has_journal"], mount: "sync,errors=continue" } as const;
const tick = "i=0; while :; do i=$((i+1)); echo $i; echo $i >/run/ticks; sleep 0.2; done";

export const brokenLogDisk: Story = {
  name: "broken-log-disk",
  title: "where the disk of the logs fails, services run on and are stopped, what is lost is counted in a gap, and lines go on when it works again",
  boots: [
    async (host) => {
      const disk = host.device("logs");
      disk.format(...direct.format);
      disk.mount("/var/log/pmd", direct.mount);
      await host.startPmd();
      const pid = await host.start("tick", tick);
      const other = await host.start("other", "while :; do echo line; sleep 0.2; done");
      await host.eventually(() => ticks() > 5);
      disk.become("error");
      const failedAt = ticks();
      await host.eventually(() => ticks() > failedAt + 20);
      await host.pmctl("stop", "other");
      assert.ok(!isInTable(other));
      const repairedAt = ticks();
      disk.become("linear");
      await host.eventually(async () => {
        const lines = (await host.pmctl("logs", "tick", "-n", "all", "--json"))
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line));
        const last = Number(lines.at(-1)?.text);
        if (!(last > repairedAt + 5)) return false;
        assertComplete(lines);
        return true;
      });
      assert.equal(await host.pid("tick"), pid);
    },
  ],
};

export const brokenStateDisk: Story = {
  name: "broken-state-disk",
  title: "where the disk of the store fails, services run on and their logs too, pmd answers and says so, and when it works again all is well",
  boots: [
    async (host) => {
      const disk = host.device("state");
      disk.format(...direct.format);
      disk.mount("/var/lib/pmd", direct.mount);
      await host.startPmd();
      const pid = await host.start("tick", tick);
      const doomed = await host.start("doomed", "exec sleep 100000");
      disk.become("error");
      process.kill(doomed, "SIGKILL");
      const before = ticks();
      await host.eventually(() => ticks() > before + 5);
      // It is started again, though that cannot be stored.
      const replacement = await host.eventually(async () => {
        const found = (await host.instance("doomed")).run?.pid;
        return found !== doomed && found;
      });
      const { problems = [] } = await host.info();
      assert.ok(
        problems.some(({ reason }) => reason === "STORE_UNAVAILABLE"),
        JSON.stringify(problems),
      );
      // What must be remembered and cannot is refused, or it is done: never half of it.
      const { code } = await host.tryPmctl("stop", "doomed");
      assert.equal(isInTable(replacement), code !== 0);
      disk.become("linear");
      await host.pmctl("stop", "doomed");
      assert.ok(!isInTable(replacement));
      assert.equal(await host.pid("tick"), pid);
      process.kill(host.pmdPid, "SIGKILL");
      await host.eventually(async () => (await host.pid("tick")) === pid);
      assert.equal((await host.instance("doomed")).state, "STATE_STOPPED");
    },
  ],
};

export const slowStateDisk: Story = {
  name: "slow-state-disk",
  title: "where each write of the store takes long, pmd goes on answering, and does what it is told",
  boots: [
    async (host) => {
      const disk = host.device("state");
      disk.format();
      disk.mount("/var/lib/pmd");
      await host.startPmd();
      await host.start("one", "exec sleep 100000");
      await host.start("two", "exec sleep 100000");
      disk.become("slow");
      const work = (async () => {
        for (let n = 0; n < 3; n++) {
          await host.pmctl("stop", "one");
          await host.pmctl("start", "one");
        }
        return "done";
      })();
      let lists = 0;
      while ((await Promise.race([work, host.instances()])) !== "done") lists++;
      assert.ok(lists >= 3, `${lists} lists were answered meanwhile`);
      assert.equal((await host.instance("one")).state, "STATE_RUNNING");
      disk.become("linear");
    },
  ],
};

function ticks(): number {
  return existsSync("/run/ticks") ? Number(readFileSync("/run/ticks", "latin1")) : 0;
}

interface LogLine {
  readonly text?: string;
  readonly gap?: { readonly bytes?: string };
}

/** Every number is there once, and where some are missing stands a gap that says so. */
function assertComplete(lines: readonly LogLine[]): void {
  let next = 1;
  let gap = false;
  for (const line of lines) {
    if (line.text === undefined) {
      gap = true;
      continue;
    }
    const number = Number(line.text);
    assert.ok(number === next || (gap && number > next), `${line.text} stands where ${next} was to be`);
    next = number + 1;
    gap = false;
  }
}
