import type { Verb } from "./verb.ts";

/** What is known of a verb before its file is loaded. */
export interface VerbEntry {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  readonly group?: string;
  readonly load?: () => Promise<{ readonly verb: Verb }>;
  /** Verbs below this one: `daemon status`. */
  readonly verbs?: readonly VerbEntry[];
}

const run = "Run services:";
const files = "Services of a file:";
const look = "Look at them:";
export const hostGroup = "The daemon and pmctl:";

export const verbs: readonly VerbEntry[] = [
  { name: "start", group: run, summary: "start services, or make a new one", load: () => import("./commands/start.ts") },
  { name: "stop", group: run, summary: "stop services, and prove that nothing is left of them", load: () => import("./commands/stop.ts") },
  { name: "restart", group: run, summary: "stop and start services", load: () => import("./commands/restart.ts") },
  { name: "reload", group: run, summary: "make services re-read their own configuration", load: () => import("./commands/reload.ts") },
  { name: "scale", group: run, summary: "set how many instances there are: web=4", load: () => import("./commands/scale.ts") },
  { name: "kill", group: run, summary: "send a signal to the processes of services", load: () => import("./commands/kill.ts") },
  { name: "delete", aliases: ["rm", "del"], group: run, summary: "stop services and forget them", load: () => import("./commands/delete.ts") },
  { name: "wait", group: run, summary: "wait until services are ready, or stopped", load: () => import("./commands/wait.ts") },
  { name: "up", group: files, summary: "make services be what a file says, and start them", load: () => import("./commands/up.ts") },
  { name: "down", group: files, summary: "stop the services of a file", load: () => import("./commands/down.ts") },
  { name: "diff", group: files, summary: "show what applying a file would change", load: () => import("./commands/diff.ts") },
  { name: "apply", group: files, summary: "make services be what a file says", load: () => import("./commands/apply.ts") },
  { name: "check", group: files, summary: "say all that is wrong with a file", load: () => import("./commands/check.ts") },
  { name: "reload-config", group: files, summary: "apply the file of pmd itself again", load: () => import("./commands/reload-config.ts") },
  { name: "history", group: files, summary: "list the specs that a service has had", load: () => import("./commands/history.ts") },
  { name: "rollback", group: files, summary: "give a service a spec that it has had before", load: () => import("./commands/rollback.ts") },
  { name: "ps", aliases: ["ls", "list"], group: look, summary: "list services", load: () => import("./commands/ps.ts") },
  { name: "status", aliases: ["describe", "show"], group: look, summary: "all about one service", load: () => import("./commands/status.ts") },
  { name: "health", group: look, summary: "show what health checks say", load: () => import("./commands/health.ts") },
  { name: "logs", group: look, summary: "show what services wrote, and follow it", load: () => import("./commands/logs.ts") },
  { name: "events", group: look, summary: "show what has happened, and follow it", load: () => import("./commands/events.ts") },
  { name: "top", group: look, summary: "watch the CPU and memory of services", load: () => import("./commands/top.ts") },
  { name: "why", group: look, summary: "say why a service is as it is", load: () => import("./commands/why.ts") },
  { name: "graph", group: look, summary: "show which services depend on which", load: () => import("./commands/graph.ts") },
  { name: "is-active", group: look, summary: "exit with 0 if a service runs, else with 3", load: () => import("./commands/is-active.ts") },
  { name: "env", group: look, summary: "show the environment of a service", load: () => import("./commands/env.ts") },
  {
    name: "daemon",
    group: hostGroup,
    summary: "look at pmd itself, or end it",
    verbs: [
      { name: "status", summary: "who answers, and what it can do on this host", load: () => import("./commands/daemon-status.ts") },
      { name: "stop", summary: "end pmd; services run on unless told otherwise", load: () => import("./commands/daemon-stop.ts") },
      { name: "logs", summary: "show pmd's own log", load: () => import("./commands/daemon-logs.ts") },
    ],
  },
  { name: "version", group: hostGroup, summary: "the versions of pmctl and pmd", load: () => import("./commands/version.ts") },
  { name: "completion", group: hostGroup, summary: "print the completion script for a shell", load: () => import("./commands/completion.ts") },
];
