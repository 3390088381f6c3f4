import { constants } from "node:os";
import { invalidFields } from "../errors.ts";

/** `HUP`, `sighup`, `SIGHUP` and `1` are all SIGHUP; undefined when this host has no such signal. */
export function parseSignal(text: string): string | undefined {
  const number = /^\d{1,2}$/.test(text) ? Number(text) : numberOf(text.toUpperCase());
  return number === undefined ? undefined : canonicalNames.get(number);
}

/** The signal that a field of a request names. */
export function toSignal(text: string, field: string): string {
  const signal = parseSignal(text);
  if (signal === undefined) throw invalidFields([{ field, message: unknownSignal(text) }]);
  return signal;
}

export function unknownSignal(text: string): string {
  return `${JSON.stringify(text)} is no signal of this host: give a name such as SIGTERM, or a number`;
}

function numberOf(name: string): number | undefined {
  const numbers: Record<string, number> = constants.signals;
  return numbers[name] ?? numbers[`SIG${name}`];
}

// Some numbers have two names (SIGABRT, SIGIOT): the first is the one that people know.
const canonicalNames = new Map<number, string>();
for (const [name, number] of Object.entries(constants.signals)) {
  if (!canonicalNames.has(number)) canonicalNames.set(number, name);
}
