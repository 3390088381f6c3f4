import { State } from "../gen/pm/v1/common_pb.ts";
import type { Service } from "../gen/pm/v1/service_pb.ts";
import { SupervisorService } from "../gen/pm/v1/supervisor_service_pb.ts";
import { spokenDuration } from "./figures.ts";
import { paint } from "./screen.ts";
import type { SelectorInit } from "./selector.ts";
import { clientOf, type Session } from "./session.ts";
import { readStream } from "./stream.ts";
import { fitText } from "./text-width.ts";
import { counted, serviceName, stateWord } from "./words.ts";

/** Most verbs are done sooner, and a line that only flashes is no help. */
const quietMs = 500;
const redrawMs = 1000;

export interface Task {
  /** What is being done: `starting`, `stopping`. */
  readonly doing: string;
  readonly goal: "ready" | "stopped";
  readonly selector: SelectorInit;
}

/** On a terminal, shows on one line how far the work has come while it goes on. Elsewhere it only does the work. */
export async function withProgress<T>(session: Session, task: Task, work: () => Promise<T>): Promise<T> {
  if (!session.err.isTerminal) return await work();
  const ended = new AbortController();
  const shown = showProgress({ ...session, signal: AbortSignal.any([session.signal, ended.signal]) }, task);
  try {
    return await work();
  } finally {
    ended.abort();
    await shown;
  }
}

async function showProgress(session: Session, task: Task): Promise<void> {
  const { err, signal } = session;
  const startedAt = session.now();
  await session.pause(quietMs, signal);
  if (signal.aborted) return;
  const services = new Map<string, Service>();
  const draw = () => {
    const line = progressLine(task, [...services.values()], session.now() - startedAt);
    err.write(`\r\u001b[2K${paint(err, "dim", fitText(line, err.columns - 1))}`);
  };
  const timer = setInterval(draw, redrawMs);
  draw();
  try {
    await watchServices(session, task.selector, services, draw);
  } catch {
    // The line is an ornament: if it cannot know more, it goes on counting the seconds.
  }
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  clearInterval(timer);
  err.write("\r\u001b[2K");
}

async function watchServices(session: Session, selector: SelectorInit, services: Map<string, Service>, changed: () => void): Promise<void> {
  const stream = readStream(session, (options) => clientOf(session, SupervisorService).watch({ selector }, options));
  for await (const batch of stream) {
    for (const service of batch.services) services.set(`${service.namespace}/${service.name}`, service);
    for (const name of batch.removed) services.delete(name);
    changed();
  }
}

export function progressLine({ doing, goal }: Task, services: readonly Service[], elapsedMs: number): string {
  const time = spokenDuration(elapsedMs);
  const [only, ...others] = services;
  if (only === undefined) return `${doing} … ${time}`;
  const instances = services.flatMap(({ status }) => status?.instances ?? []);
  const reached = instances.filter(({ ready, state }) => (goal === "ready" ? ready : atRest(state))).length;
  const count = `${reached}/${instances.length}`;
  if (others.length === 0) return `${serviceName(only)}  ${stateWord(only.status?.state ?? 0)} ${count} … ${time}`;
  return `${counted(services.length, "service")}  ${doing} ${count} … ${time}`;
}

export function atRest(state: State): boolean {
  return state === State.STOPPED || state === State.EXITED || state === State.FAILED;
}
