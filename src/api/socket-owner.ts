import { readFileSync } from "node:fs";

/** Of a user by name or number, as in /etc/passwd. */
export function findUserId(user: string): number {
  return findId(user, "/etc/passwd", "user");
}

export function findGroupId(group: string): number {
  return findId(group, "/etc/group", "group");
}

// Both files have the name first and the number third.
function findId(name: string, file: string, kind: string): number {
  if (/^\d{1,10}$/.test(name)) return Number(name);
  for (const line of readFileSync(file, "utf8").split("\n")) {
    const [entry, , id] = line.split(":");
    if (entry === name && /^\d+$/.test(id ?? "")) return Number(id);
  }
  throw new Error(`no ${kind} of ${file} is named ${JSON.stringify(name)}: give its number if it is defined elsewhere`);
}
