import { destination, type Logger, pino } from "pino";

export type { Logger };

/** JSON lines, to a file or to stderr, written before the call returns: the last words of a pmd that is killed are there. */
export function createLogger(file: string, level: string): Logger {
  const to = file === "" ? destination({ dest: 2, sync: true }) : destination({ dest: file, sync: true, mkdir: true, append: true });
  return pino({ level, base: { pid: process.pid }, timestamp: () => `,"time":"${new Date().toISOString()}"` }, to);
}
