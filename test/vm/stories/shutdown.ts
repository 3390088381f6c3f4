import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { Story } from "../story.ts";

const say = (word: string) => `echo ${word} >>/var/lib/pmd/words; sync`;

export const shutdown: Story = {
  name: "shutdown",
  title: "when the host goes down the services are asked to end, and have the time for it, and when it is up again they run",
  boots: [
    async (host) => {
      const disk = host.device("state");
      disk.format();
      disk.mount("/var/lib/pmd");
      await host.startPmd();
      await host.start("web", `trap '${say("ended")}; exit 0' TERM; ${say("began")}; while :; do sleep 1; done`);
      host.run("systemctl", "--no-block", "poweroff");
      // The machine goes off by itself.
      await new Promise(() => setInterval(() => undefined, 60_000));
    },
    async (host) => {
      host.device("state").mount("/var/lib/pmd");
      assert.equal(readFileSync("/var/lib/pmd/words", "utf8"), "began\nended\n");
      await host.startPmd();
      await host.eventually(async () => (await host.instance("web")).state === "STATE_RUNNING");
    },
  ],
};
