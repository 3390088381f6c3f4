import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { instanceKey, serviceKey } from "./core/names.ts";
import { type RunSpecFile, readRunLogs } from "./host/run-files.ts";
import { type LogStreamRef, sourceKey } from "./logs/log-stream.ts";
import { parseLogPath } from "./supervisor/log-paths.ts";

// Where logs are, for one who cannot ask pmd, nor look into its store, which a running pmd has locked: what lies at the default places, and what
// the run directories say. A service with places of its own is found as long as it has a run directory.

/** Every stream that has a file or a run, by name. */
export async function findLogStreams(places: { readonly logDir: string; readonly runtimeDir: string }): Promise<LogStreamRef[]> {
  const streams = new Map<string, LogStreamRef>();
  for (const stream of [...(await atDefaultPlaces(places.logDir)), ...(await ofRuns(places.runtimeDir))]) streams.set(sourceKey(stream), stream);
  return [...streams.values()].sort((a, b) => compare(a.instance, b.instance) || compare(b.stream, a.stream));
}

async function atDefaultPlaces(logDir: string): Promise<LogStreamRef[]> {
  const paths = new Set<string>();
  for (const entry of await namesIn(logDir)) {
    const folders = entry.startsWith("@") ? (await namesIn(join(logDir, entry))).map((name) => join(entry, name)) : [entry];
    for (const folder of folders) {
      for (const name of await namesIn(join(logDir, folder))) paths.add(join(logDir, folder, presentName(name)));
    }
  }
  return [...paths].flatMap((path) => {
    const whose = parseLogPath(path, logDir);
    return whose ? [{ ...whose, path }] : [];
  });
}

/** Of a file that was set aside the name that it had: in the middle of a rotation there may be no other. */
function presentName(name: string): string {
  return name.replace(/\.\d{15}(\.zst|\.gz)?$/, "");
}

/** Oldest first, for the newest run of an instance says where it writes. */
async function ofRuns(runtimeDir: string): Promise<LogStreamRef[]> {
  const runsDir = join(runtimeDir, "runs");
  const specs = await Promise.all((await runsIn(runsDir)).map((run) => readSpec(join(runsDir, run))));
  return specs
    .filter((spec) => spec !== undefined)
    .sort((a, b) => a.startedAt - b.startedAt)
    .flatMap(({ namespace, service, index, logs }) => {
      const instance = instanceKey(serviceKey(namespace, service), index);
      const { stdout, stderr } = readRunLogs(logs);
      return [{ instance, stream: "stdout", path: stdout } as const, { instance, stream: "stderr", path: stderr } as const];
    });
}

/** Whoever may read logs need not be one who may see what runs. */
async function runsIn(runsDir: string): Promise<string[]> {
  try {
    return await namesIn(runsDir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EACCES") return [];
    throw error;
  }
}

async function readSpec(directory: string): Promise<RunSpecFile | undefined> {
  try {
    const spec = JSON.parse(await readFile(join(directory, "spec.json"), "utf8")) as RunSpecFile;
    return spec.logs && spec;
  } catch {
    return undefined; // it is being made or removed, or is not ours to read
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    throw error;
  }
}

/** `web#2` before `web#10`. */
function compare(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}
