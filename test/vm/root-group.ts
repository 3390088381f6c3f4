import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * For the unit of pmd: it leaves the unit's group for the root of all groups. Only there may a group have both processes and controllers for those
 * below it, and a story can set limits to the group of a run.
 */
export const inRootGroup = ["ExecStart=", "ExecStart=/bin/sh -c 'echo 0 >/sys/fs/cgroup/cgroup.procs && exec pmd --config /etc/pmd/pm.yaml'"].join(
  "\n",
);

/** Sets limits of a group, which has their controllers from then on. Returns its path. */
export function withControllers(group: string, limits: Readonly<Record<string, string>>): string {
  for (const parent of ["/sys/fs/cgroup", dirname(group)]) {
    writeFileSync(join(parent, "cgroup.subtree_control"), "+memory +pids");
  }
  for (const [file, value] of Object.entries(limits)) writeFileSync(join(group, file), value);
  return group;
}
