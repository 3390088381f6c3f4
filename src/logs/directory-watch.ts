import { existsSync, type FSWatcher, watch } from "node:fs";
import { dirname } from "node:path";

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
      this.#keep(directory, watch(directory), (name) => this.#changed(directory, name));
      return true;
    } catch {
      return this.#awaitBirth(directory);
    }
  }

  /** Where it is not there yet, whatever happens beside it is a reason to look again. */
  #awaitBirth(directory: string): boolean {
    try {
      this.#keep(directory, watch(dirname(directory)), () => {
        this.#close(directory);
        this.#changed(directory, null);
      });
    } catch {
      return false; // nothing is there, or inotify is used up
    }
    if (!existsSync(directory)) return false;
    this.#close(directory);
    return this.#open(directory);
  }

  #keep(directory: string, watcher: FSWatcher, changed: (name: string | null) => void): void {
    watcher.on("change", (_, name) => changed(name === null ? null : String(name)));
    watcher.on("error", () => this.#close(directory));
    this.#watchers.set(directory, watcher);
  }

  #close(directory: string): void {
    this.#watchers.get(directory)?.close();
    this.#watchers.delete(directory);
  }
}
