import { type Dirent, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { LogDirectory } from "./log-directory.ts";

/**
 * The logs at the places that they have unless a spec says otherwise: `<log dir>/web/out.log`, `<log dir>/@prod/web/out.log`. A log is known by an index,
 * which only a pump makes: what else is there is somebody's own.
 */
export function findLogs(logDir: string): string[] {
  const folders = foldersIn(logDir).flatMap((folder) =>
    folder.startsWith("@") ? foldersIn(join(logDir, folder)).map((name) => join(folder, name)) : [folder],
  );
  return folders.flatMap((folder) => {
    const names = entriesIn(join(logDir, folder)).flatMap(({ name }) => presentName(name) ?? []);
    return [...new Set(names)].map((name) => join(logDir, folder, name));
  });
}

/** Of `out.log.idx` and `out.log.000000000000042.idx` it is `out.log`. */
function presentName(name: string): string | undefined {
  return /^(.+?)(?:\.\d{15})?\.idx$/.exec(name)?.[1];
}

function foldersIn(directory: string): string[] {
  return entriesIn(directory).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
}

function entriesIn(directory: string): Dirent[] {
  try {
    using entered = LogDirectory.of(join(directory, "any"), "fail");
    return readdirSync(dirname(entered.place("any")), { withFileTypes: true });
  } catch {
    return []; // it is gone, or not ours to read
  }
}
