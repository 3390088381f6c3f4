import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { State } from "../../gen/pm/v1/common_pb.ts";
import type { Service } from "../../gen/pm/v1/service_pb.ts";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { startDaemon } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { loopProbe, readLoopDelay } from "../support/loop-delay.ts";
import { ownMib } from "../support/process-costs.ts";
import { isAlive, shell } from "../support/specs.ts";
import { makeTempDir } from "../support/temp-dir.ts";

/** `npm run load` has more of them. */
const mass = Number(process.env.LOAD_SERVICES ?? 100);
const rounds = 4;
const sleeper = "exec sleep 100000";

it(`${mass} services are started by one call, while pmd answers, and stopped by another: nothing is left, and it costs no memory`, async () => {
  await using rig = await startProbed();
  const { daemon } = rig;
  const client = daemon.client(SupervisorService);
  await inParallel(mass, (at) => client.createService({ name: `s${at}`, spec: { ...shell(daemon, sleeper), autostart: false } }));
  const selector = { all: true };

  const memory: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const start = await rig.whileListing("start", () => client.startServices({ selector }));
    expect(start.outcome.results.filter(({ state }) => state === State.RUNNING)).toHaveLength(mass);
    expect(start.lists.some(someOf(State.RUNNING))).toBe(true);
    const pids = pidsOf((await client.listServices({})).services);
    expect(new Set(pids).size).toBe(mass);
    expect(pids.every(isAlive)).toBe(true);

    const stop = await rig.whileListing("stop", () => client.stopServices({ selector }));
    expect(pids.filter(isAlive)).toEqual([]);
    expect(stop.outcome.results.filter(({ state }) => state === State.STOPPED)).toHaveLength(mass);
    expect([...start.lists, ...stop.lists].every(({ length }) => length === mass)).toBe(true);
    await eventually(() => readdirSync(join(daemon.runtimeDir, "runs")).length === 0, { timeoutMs: 120_000 });
    memory.push(ownMib(daemon.pid));
  }
  console.log(`pmd's own memory after each round, MiB: ${memory.map((mib) => mib.toFixed(1)).join(" ")}`);
  expect(memory.at(-1)).toBeLessThan((memory[0] ?? 0) + 20);
});

/** A pmd whose event loop is watched. */
async function startProbed() {
  const place = makeTempDir();
  const probeFile = join(place.path, "loop-delay.json");
  const daemon = await startDaemon({ env: loopProbe(probeFile) });
  return {
    daemon,
    /** Lists everything again and again until this is done, and prints how soon each list came. */
    async whileListing<T>(title: string, act: () => Promise<T>): Promise<{ outcome: T; lists: Service[][] }> {
      const client = daemon.client(SupervisorService);
      const lists: Service[][] = [];
      const times: number[] = [];
      let done = false;
      await readLoopDelay(daemon.pid, probeFile); // what came before is not counted
      const acting = act().finally(() => {
        done = true;
      });
      while (!done) {
        const asked = performance.now();
        const { services } = await client.listServices({});
        times.push(performance.now() - asked);
        if (!done) lists.push(services);
      }
      const outcome = await acting;
      const { p99, max } = await readLoopDelay(daemon.pid, probeFile);
      times.sort((a, b) => a - b);
      const list = `${lists.length} lists before the end, ms: median ${times[times.length >> 1]?.toFixed(0)}, most ${times.at(-1)?.toFixed(0)}`;
      console.log(`${title}: ${list}; event loop late, ms: p99 ${p99.toFixed(0)}, most ${max.toFixed(0)}`);
      return { outcome, lists };
    },
    async [Symbol.asyncDispose]() {
      await daemon[Symbol.asyncDispose]();
      await place[Symbol.asyncDispose]();
    },
  };
}

/** A list that was made in the midst of it: some are in this state, and some are not yet. */
function someOf(state: State): (services: readonly Service[]) => boolean {
  return (services) => new Set(services.map(({ status }) => status?.state === state)).size === 2;
}

/** A few at a time. */
async function inParallel(count: number, act: (at: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const work = async () => {
    while (next < count) await act(next++);
  };
  await Promise.all(Array.from({ length: 10 }, work));
}

function pidsOf(services: readonly Service[]): number[] {
  return services.flatMap(({ status }) => status?.instances.map(({ run }) => run?.pid ?? 0) ?? []).filter((pid) => pid > 0);
}
