// What an error of a look at /proc, at a cgroup or at a run directory says. That something is not there is an answer; that there are no descriptors or no
// memory left to look with is none, and nothing may follow from it: a process that could not be seen is not a process that has ended.

/** It is not there, or it is somebody else's. */
export function isAbsence(error: unknown): boolean {
  return ["ENOENT", "ESRCH", "ENODEV", "ENOTDIR", "EACCES", "EPERM"].includes(codeOf(error));
}

/** The look is to be repeated. */
export function isShortage(error: unknown): boolean {
  return ["EMFILE", "ENFILE", "ENOMEM", "EAGAIN"].includes(codeOf(error));
}

/** Undefined when it could not be seen now. */
export function tryToSee<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (isShortage(error)) return undefined;
    throw error;
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
