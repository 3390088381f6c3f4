import { type FSWatcher, watch } from "node:fs";

/** Tells of changes in directories. What inotify does not give is left to whoever looks from time to time. */
export class DirectoryWatch {
  readonly #changed: (directory: string, name: string | null) => void;
  readonly #watchers = new Map<string, FSWatcher>();

  constructor(changed: (directory: string, name: string | null) => void) {
    this.#changed = changed;
  }

  /** Watches these and no others. Returns those whose watch begins only now: what has changed in them before must be looked for. */
  watch(directories: ReadonlySet<string>): string[] {
    for (const directory of this.#watchers.keys()) if (!directories.has(directory)) this.#close(directory);
    return [...directories].filter((directory) => !this.#watchers.has(directory) && this.#open(directory));
  }

  isWatched(directory: string): boolean {
    return this.#watchers.has(directory);
  }

  close(): void {
    for (const directory of this.#watchers.keys()) this.#close(directory);
  }

  #open(directory: string): boolean {
    try {
      const watcher = watch(directory, (_, name) => this.#changed(directory, name));
      watcher.on("error", () => this.#close(directory));
      this.#watchers.set(directory, watcher);
      return true;
    } catch {
      return false; // it is not there yet, or inotify is used up
    }
  }

  #close(directory: string): void {
    this.#watchers.get(directory)?.close();
    this.#watchers.delete(directory);
  }
}
