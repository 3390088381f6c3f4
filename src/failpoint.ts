/**
 * Where a test may have the process die (`name:kill`) or stand still (`name:pause`): between two steps that are to be safe to be cut apart. Armed by
 * the variable PMD_FAILPOINT; the published programs are built without it, calls and names included.
 */
export function failpoint(name: string): void {
  if (process.env.PMD_FAILPOINT) strike(process.env.PMD_FAILPOINT, name);
}

function strike(armed: string, name: string): void {
  if (armed === `${name}:kill`) process.kill(process.pid, "SIGKILL");
  if (armed === `${name}:pause`) process.kill(process.pid, "SIGSTOP");
}
