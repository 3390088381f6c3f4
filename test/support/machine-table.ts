import { defaults } from "../../src/core/spec.ts";
import {
  type Context,
  type Effect,
  type InstanceEvent,
  type InstanceModel,
  type InstanceState,
  initialModel,
  type RunExit,
} from "../../src/core/state.ts";
import { transition } from "../../src/core/transition.ts";

export const context: Context = {
  now: 1000,
  clear: true,
  provided: true,
  random: 0.5,
  restart: defaults.restart,
  settleMs: 1000,
  startTimeoutMs: 60_000,
  graceMs: 10_000,
};

export const exit: RunExit = { kind: "ended", status: 1, endedAt: 0, uptimeMs: 100 };

const deadline = 5000;
export const states: Record<string, InstanceState> = {
  stopped: { phase: "stopped" },
  waiting: { phase: "waiting" },
  starting: { phase: "starting", alive: false, deadline },
  "starting/alive": { phase: "starting", alive: true, deadline },
  running: { phase: "running" },
  "stopping/stop": { phase: "stopping", next: "stop", deadline, kills: 0 },
  "stopping/start": { phase: "stopping", next: "start", deadline, kills: 0 },
  "stopping/recover": { phase: "stopping", next: "recover", deadline, kills: 0 },
  backoff: { phase: "backoff", deadline },
  exited: { phase: "exited" },
  failed: { phase: "failed", reason: "" },
};

export const events: InstanceEvent[] = [
  { type: "start" },
  { type: "stop" },
  { type: "restart" },
  { type: "clear" },
  { type: "lost" },
  { type: "spawned" },
  { type: "orphaned" },
  { type: "unfit", cause: "unhealthy" },
  { type: "gone", exit },
  { type: "timeout" },
];

export function modelIn(state: InstanceState): InstanceModel {
  return { ...initialModel, state };
}

/** The whole behaviour in one table: `.` is "nothing changes", `+` an effect. It is made from the code, and tests hold what it must be. */
export function machineTable(): string {
  const header = ["", ...events.map(({ type }) => type)];
  const rows = Object.entries(states).map(([name, state]) => [
    name,
    ...events.map((event) => {
      const model = modelIn(state);
      const [next, effects] = transition(model, event, context);
      return next === model && effects.length === 0 ? "." : [describe(next.state), ...effects.map(describeEffect)].join("");
    }),
  ]);
  const widths = header.map((_, column) => Math.max(...[header, ...rows].map((row) => (row[column] ?? "").length)));
  return [header, ...rows]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function describe(state: InstanceState): string {
  if (state.phase === "starting" && state.alive) return "starting/alive";
  return state.phase === "stopping" ? `stopping/${state.next}` : state.phase;
}

function describeEffect({ type }: Effect): string {
  return `+${type}`;
}
