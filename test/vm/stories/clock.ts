import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { Story } from "../story.ts";

const delaySeconds = 20;
/** Of the delay, in both directions. */
const jitter = 0.2;

export const clock: Story = {
  name: "clock",
  title: "a clock that is set a day forwards or backwards ends no service, and starts none before or after its time",
  boots: [
    async (host) => {
      await host.startPmd();
      const pid = await host.start("lasting", "exec sleep 100000");
      // What it writes is the time since the host was started, which nobody sets.
      const line = "read up rest </proc/uptime; echo $up >>/run/lives; sleep 3; read up rest </proc/uptime; echo $up >>/run/lives; exit 1";
      await host.start("mortal", line, "--restart-delay", `${delaySeconds}s`);
      for (const [cycle, days] of [1, -1, -1, 1].entries()) {
        await host.eventually(() => lives().length === 2 * cycle + 2);
        host.run("date", "-s", `@${Math.round(Date.now() / 1000) + days * 86_400}`);
        // The restart comes in its time: not at once, and not a day later. The delay doubles each time.
        await host.eventually(() => lives().length > 2 * cycle + 2);
        const [died = 0, lived = 0] = lives().slice(2 * cycle + 1);
        const least = delaySeconds * Math.min(2 ** cycle, 3) * (1 - jitter);
        assert.ok(lived - died >= least, `it was started again after ${lived - died} s, and ${least} s are the least`);
        assert.equal(await host.pid("lasting"), pid);
        assert.equal((await host.instance("lasting")).restarts, undefined);
      }
    },
  ],
};

function lives(): number[] {
  try {
    return readFileSync("/run/lives", "latin1").trim().split("\n").filter(Boolean).map(Number);
  } catch {
    return []; // not yet
  }
}
