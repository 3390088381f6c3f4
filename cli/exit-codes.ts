/** What pmctl's exit code says; scripts depend on it. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  notRunning: 3,
  notFound: 4,
  unreachable: 5,
  timedOut: 6,
  conflict: 7,
  notPermitted: 8,
  changes: 10,
  interrupted: 130,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];
