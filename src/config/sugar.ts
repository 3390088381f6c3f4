import type { Located, LocatedEntry, LocatedMap, Position } from "./located.ts";

// What people may write where the proto wants more words. Each form is rewritten to the one that the proto has, with the places kept; what is
// not rewritten stays as it is, and is judged later.
//
//   the file      env, env_file … beside services, rather than below `environment`
//   service       command, cwd, env, env_file … beside instances and restart, rather than below `process`
//   command       a text is a line for the shell, a list is argv
//   env_file      a path, or a list of paths; include too
//   restart       a text is the policy
//   log_line      a text is what the line contains
//   on_unhealthy  a text is the action
//   port          3000, 3000-3003 or auto:5000-5100
//   depends_on    a list of names, and a text beside a name is the condition
//   after         a name, or a list of names
//   signals       in lower case

/** How a message may be written, by its name in the proto. */
export const sugar: Readonly<Record<string, (node: Located) => Located>> = {
  "pm.v1.Manifest": manifest,
  "pm.v1.ServiceSpec": service,
  "pm.v1.Command": (node) => wrapText(wrapList(node, "argv"), "shell"),
  "pm.v1.EnvFile": (node) => wrapText(node, "path"),
  "pm.v1.RestartPolicy": (node) => wrapText(node, "policy"),
  "pm.v1.PortSpec": port,
  "pm.v1.Dependency": (node) => wrapText(node, "condition"),
  "pm.v1.StopSpec": signal,
  "pm.v1.ReloadSpec": signal,
  "pm.v1.LogLineProbe": (node) => wrapText(node, "contains"),
  "pm.v1.OnUnhealthy": (node) => signal(wrapText(node, "action")),
};

/** Keys of a service that are fields of its process. */
export const processKeys = ["command", "working_directory", "workingDirectory", "environment", "stop", "logs", "port"];

const dependencyKeys = ["depends_on", "dependsOn"];

/** Keys of a service that are in no proto, and the fields that they stand for. */
export const aliases: Readonly<Record<string, string>> = { cwd: "working_directory" };
export const environmentKeys: Readonly<Record<string, string>> = { env: "vars", env_file: "files", inherit_environment: "inherit" };

/** Beside the fields of the proto, for whoever has to guess what was meant. */
export const extraKeys: Readonly<Record<string, readonly string[]>> = {
  "pm.v1.Manifest": Object.keys(environmentKeys),
  "pm.v1.ServiceSpec": [...processKeys, ...Object.keys(aliases), ...Object.keys(environmentKeys)],
};

export function manifest(node: Located): Located {
  if (node.kind !== "map") return node;
  const environment = node.entries.filter(({ key }) => find(environmentKeys, key) !== undefined);
  const own = node.entries
    .filter((entry) => !environment.includes(entry))
    .map((entry) => (entry.key === "include" ? { ...entry, value: wrapInList(entry.value) } : entry));
  if (environment.length === 0) return { ...node, entries: own };
  return { ...node, entries: [...own, unseen("environment", environment.map(variableEntry))] };
}

function service(node: Located): Located {
  if (node.kind !== "map") return node;
  const own: LocatedEntry[] = [];
  const process: LocatedEntry[] = [];
  const environment: LocatedEntry[] = [];
  for (const entry of node.entries) {
    const alias = find(aliases, entry.key);
    if (find(environmentKeys, entry.key) !== undefined) environment.push(variableEntry(entry));
    else if (alias !== undefined) process.push({ ...entry, key: alias, writtenAs: entry.key });
    else if (processKeys.includes(entry.key)) process.push(entry);
    else if (dependencyKeys.includes(entry.key)) own.push({ ...entry, value: namesToMap(entry.value) });
    else own.push(entry.key === "after" ? { ...entry, value: wrapInList(entry.value) } : entry);
  }
  if (environment.length > 0) process.push(unseen("environment", environment));
  if (process.length > 0) own.push(unseen("process", process));
  return { ...node, entries: own };
}

function variableEntry(entry: LocatedEntry): LocatedEntry {
  return { ...entry, key: find(environmentKeys, entry.key) ?? entry.key, writtenAs: entry.key, value: listOne(entry) };
}

/** `env_file: .env` is a list of one. */
function listOne({ key, value }: LocatedEntry): Located {
  return key === "env_file" ? wrapInList(value) : value;
}

function wrapInList(node: Located): Located {
  const isOne = node.kind === "map" || (node.kind === "scalar" && node.value !== null);
  return isOne ? { kind: "list", at: node.at, items: [node] } : node;
}

/** `depends_on: [db, cache]` and `depends_on: db` name services of which nothing more is said. */
function namesToMap(value: Located): Located {
  const items = value.kind === "list" ? value.items : value.kind === "scalar" && value.value !== null ? [value] : [];
  const names = items.flatMap((item) => (item.kind === "scalar" && item.value !== null ? item : []));
  if (names.length === 0 || names.length < items.length) return value;
  const nothing = ({ at }: Located) => ({ kind: "scalar", at, value: null, text: "" }) as const;
  return { kind: "map", at: value.at, entries: names.map((item) => ({ key: item.text, keyAt: item.at, value: nothing(item) })) };
}

/** An entry that the file does not have, for those that belong below it. */
function unseen(key: string, entries: readonly LocatedEntry[]): LocatedEntry {
  const at = entries[0]?.keyAt as Position;
  return { key, keyAt: at, writtenAs: "", value: { kind: "map", at, entries } };
}

function signal(node: Located): Located {
  if (node.kind !== "map") return node;
  const entries = node.entries.map((entry) =>
    entry.key === "signal" && entry.value.kind === "scalar" ? { ...entry, value: { ...entry.value, text: entry.value.text.toUpperCase() } } : entry,
  );
  return { ...node, entries };
}

/** What is no such text stays, and is no mapping: then that is the problem. */
function port(node: Located): Located {
  const match = node.kind === "scalar" ? /^(auto:)?(\d{1,5})(?:-(\d{1,5}))?$/.exec(node.text) : null;
  if (!match) return node;
  const [, auto, first = "", last] = match;
  const scalar = (value: string | boolean): Located => ({
    kind: "scalar",
    at: node.at,
    value: value === true ? true : Number(value),
    text: String(value),
  });
  const entry = (key: string, value: Located): LocatedEntry => ({ key, keyAt: node.at, writtenAs: "", value });
  const entries = [
    entry("first", scalar(first)),
    ...(last === undefined ? [] : [entry("last", scalar(last))]),
    ...(auto === undefined ? [] : [entry("auto", scalar(true))]),
  ];
  return { kind: "map", at: node.at, entries };
}

function wrapText(node: Located, key: string): Located {
  return node.kind === "scalar" && node.value !== null ? wrap(node, key) : node;
}

function wrapList(node: Located, key: string): Located {
  return node.kind === "list" ? wrap(node, key) : node;
}

function wrap(node: Located, key: string): LocatedMap {
  return { kind: "map", at: node.at, entries: [{ key, keyAt: node.at, writtenAs: "", value: node }] };
}

function find(table: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
