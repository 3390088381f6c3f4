import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import type { Host } from "../host.ts";
import { commandOf, processesOf } from "../host.ts";
import type { Story } from "../story.ts";

const count = 'i=0; while :; do i=$((i+1)); echo "$i"; done';

export const powerLoss: Story = {
  name: "power-loss",
  title: "after the power has failed the store opens with all that was answered, what should run runs once, and logs have a gap at worst",
  boots: [
    async (host) => {
      const disk = host.device("state");
      disk.format();
      mountBoth(host, disk);
      const notes = host.device("notes");
      await host.startPmd();
      await host.start("counter", count);
      await host.start("stopped", "exec sleep 100000");
      await host.pmctl("stop", "stopped");
      const answered: string[] = [];
      const work = async (): Promise<never> => {
        for (let n = 0; ; n++) {
          await host.pmctl("start", "--name", `made-${n}`, "--shell", "exec sleep 100000", "--no-autostart", "--no-wait");
          answered.push(`made-${n}`);
          notes.note(JSON.stringify(answered));
        }
      };
      // It is still at it when the power fails.
      void work();
      await host.eventually(() => answered.length >= 3);
    },
    async (host) => {
      const answered: string[] = JSON.parse(host.device("notes").readNote());
      assert.ok(answered.length >= 3);
      mountBoth(host, host.device("state"));
      await host.startPmd();
      const { problems = [] } = await host.info();
      assert.deepEqual(problems, []);
      await host.eventually(async () => (await host.instance("counter")).state === "STATE_RUNNING");
      const instances = await host.instances();
      const known = instances.map(({ name }) => name.replace(/^default\/(.*)#0$/, "$1"));
      assert.deepEqual(
        ["counter", "stopped", ...answered].filter((name) => !known.includes(name)),
        [],
      );
      assert.deepEqual(
        instances.filter(({ run }) => run?.adopted),
        [],
      );
      assert.equal((await host.instance("counter")).lastExit?.cause, "CAUSE_LOST");
      assert.equal((await host.instance("stopped")).run, undefined);
      assert.equal(processesOf("/pmd").filter((pid) => commandOf(pid).includes(count)).length, 1);
      await host.pmctl("stop", "counter");
      assertReadable(await host.pmctl("logs", "counter", "-n", "all", "--json"));
    },
  ],
};

function mountBoth(host: Host, disk: ReturnType<Host["device"]>): void {
  disk.mount("/mnt");
  for (const [inside, place] of Object.entries({ "/mnt/state": "/var/lib/pmd", "/mnt/logs": "/var/log/pmd" })) {
    mkdirSync(inside, { recursive: true });
    host.run("mount", "--bind", inside, place);
  }
}

/** Each run counts from one; what was torn is next to a gap, or at the end of a run. */
function assertReadable(output: string): void {
  const lines = output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { text?: string; runId?: string; gap?: unknown });
  const last = new Map<string, number>();
  for (const { text, runId = "" } of lines) {
    const number = Number(text);
    if (!Number.isInteger(number)) continue;
    assert.ok(number > (last.get(runId) ?? 0), `${number} follows ${last.get(runId)}`);
    last.set(runId, number);
  }
  assert.ok(last.size >= 2, `${last.size} runs are in the log`);
}
