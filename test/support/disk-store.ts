import { cpSync, mkdtempDisposableSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStore, type StoreOptions } from "../../src/store/open-store.ts";
import type { SqliteStore } from "../../src/store/sqlite-store.ts";

/** A store in a directory of its own, which goes with it. */
export class DiskStore implements Disposable {
  readonly directory: string;
  store: SqliteStore;
  readonly #options: StoreOptions;
  readonly #remove: () => void;

  /** With the files of `other` as they are now, as if its process had been killed. */
  constructor(options: StoreOptions = {}, other?: DiskStore) {
    const { path, remove } = mkdtempDisposableSync(join(tmpdir(), "store-"));
    this.directory = path;
    this.#remove = remove;
    if (other) cpSync(other.directory, path, { recursive: true });
    // The clock stands at the time of the records, so that none is old.
    this.#options = { wallTime: () => 1000, ...options };
    this.store = openStore(path, this.#options).store;
  }

  reopen(): void {
    this.store.close();
    this.store = openStore(this.directory, this.#options).store;
  }

  [Symbol.dispose](): void {
    this.store.close();
    this.#remove();
  }
}
