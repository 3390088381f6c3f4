import { destination, type Logger, pino } from "pino";

export type { Logger };

/** Lines, written before the call returns: the last words of a pmd that is killed are there. JSON, but for a person at a terminal. */
export function createLogger(file: string, level: string): Logger {
  const options = { level, base: { pid: process.pid }, timestamp: () => `,"time":"${new Date().toISOString()}"` };
  if (file !== "") return pino(options, destination({ dest: file, sync: true, mkdir: true, append: true }));
  if (process.stderr.isTTY) return pino(options, { write: (line) => void process.stderr.write(forPeople(line)) });
  return pino(options, destination({ dest: 2, sync: true }));
}

function forPeople(line: string): string {
  const { time, level, pid, msg, err, ...rest } = JSON.parse(line);
  const word = level >= 50 ? "error: " : level >= 40 ? "warning: " : "";
  const details = Object.entries(rest).map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  return `${[new Date(time).toLocaleTimeString("en-GB"), `${word}${msg}`, ...details].join(" ")}\n${err?.stack ? `${err.stack}\n` : ""}`;
}
