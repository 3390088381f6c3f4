import { usageError } from "./failure.ts";

/** Those that people send; pmd knows more. */
export const commonSignals = ["HUP", "INT", "QUIT", "KILL", "USR1", "USR2", "TERM", "CONT", "STOP", "WINCH"] as const;

/** `HUP` and `hup` are SIGHUP; numbers stay numbers, for pmd knows the host that they count on. */
export function signalName(text: string): string {
  if (/^[1-9]\d?$/.test(text)) return text;
  const name = text.toUpperCase();
  if (!/^(SIG)?[A-Z][A-Z0-9+-]{1,9}$/.test(name)) throw usageError(`--signal: ${JSON.stringify(text)} is no signal: say HUP, SIGHUP or 1`);
  return name.startsWith("SIG") ? name : `SIG${name}`;
}
