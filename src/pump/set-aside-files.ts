import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Packing } from "../logs/log-file-names.ts";
import { LogDirectory } from "./log-directory.ts";
import type { LogSettings } from "./log-file.ts";
import { listRotated } from "./open-log.ts";
import type { PackOrder } from "./packer.ts";
import { countSurplus, describeSetAside, removeSetAside, type SetAside } from "./retention.ts";

const packingOf = { none: undefined, zstd: "zst", gzip: "gz" } as const satisfies Record<LogSettings["compress"], Packing | undefined>;

/** What was set aside of one log: what is to go is removed here, and what is to be packed is found. */
export class SetAsideFiles {
  readonly #path: string;
  readonly #openPlace: () => string | undefined;
  #mayPack = false;
  /** As they were when they were last looked at, oldest first. */
  #known: readonly SetAside[] = [];
  #stuck = false;

  /** `openPlace`: the log by its directory, where that is open. */
  constructor(path: string, openPlace: () => string | undefined) {
    this.#path = path;
    this.#openPlace = openPlace;
  }

  /** Of all of them, with their indexes, as far as they are known. */
  get bytes(): number {
    return this.#known.reduce((sum, { bytes, indexBytes }) => sum + bytes + indexBytes, 0);
  }

  /** Those that can be removed, as far as is known, oldest first. */
  get removable(): readonly SetAside[] {
    return this.#stuck ? [] : this.#known;
  }

  /** There may be something to pack. */
  get mayPack(): boolean {
    return this.#mayPack;
  }

  /** Something was set aside, or long not looked at. */
  lookForWork(): void {
    this.#mayPack = true;
  }

  /** One is packed, and takes less: there may be more. */
  packed(): void {
    this.#mayPack = true;
    this.look();
  }

  /** Learns what is there. */
  look(): void {
    this.#remove(() => 0);
  }

  /**
   * What is to be packed next, while nothing is: any file that was set aside but the newest, which stays as it is for tail and grep. The newer first, for
   * under a flood the older will be gone before they are done.
   */
  nextToPack(compress: LogSettings["compress"]): PackOrder | undefined {
    if (!this.#mayPack) return undefined;
    this.#mayPack = false;
    try {
      using entered = this.#enter();
      const { files, plain, unfinished } = listRotated(entered.place);
      for (const name of unfinished) rmSync(join(dirname(entered.place), name), { force: true });
      const packing = packingOf[compress];
      const base = plain.findLast((base) => base !== files.at(-1));
      return packing && base !== undefined ? { path: this.#path, base, packing } : undefined;
    } catch {
      return undefined; // the directory is gone; the next rotation or the next minute sees
    }
  }

  /** Removes what is not to be kept. */
  prune(settings: LogSettings): void {
    this.#remove((files) => countSurplus(files, settings, Date.now()));
  }

  /** Returns how many bytes that were. */
  removeAll(): number {
    return this.#remove((files) => files.length);
  }

  /** Removes these without a look at what else there is. */
  removeOldest(count: number): void {
    try {
      using entered = this.#enter();
      for (const { base } of this.#known.slice(0, count)) {
        removeSetAside(entered.place, base);
        this.#known = this.#known.slice(1);
      }
    } catch {
      // Until the next look the others must do.
      this.#stuck = true;
    }
  }

  #remove(countOldest: (files: readonly SetAside[]) => number): number {
    let freedBytes = 0;
    try {
      using entered = this.#enter();
      const { place } = entered;
      const { files: bases, indexes } = listRotated(place);
      const files = bases.map((base) => describeSetAside(place, base)).filter((file) => file !== undefined);
      this.#known = files;
      this.#stuck = false;
      for (const { base, bytes } of files.slice(0, countOldest(files))) {
        removeSetAside(place, base);
        this.#known = this.#known.slice(1);
        freedBytes += bytes;
      }
      // An index without its file is left by a kill, and means something only where the present file has none.
      if (entered.isOpen) for (const base of indexes) if (!bases.includes(base)) removeSetAside(place, base);
    } catch (error) {
      // What cannot be removed now is tried again at the next rotation; where the directory is gone, so is what was in it.
      if ((error as NodeJS.ErrnoException).code === "ENOENT") this.#known = [];
    }
    return freedBytes;
  }

  #enter(): { place: string; isOpen: boolean } & Disposable {
    const place = this.#openPlace();
    if (place !== undefined) return { place, isOpen: true, [Symbol.dispose]: () => undefined };
    const directory = LogDirectory.of(this.#path, "fail");
    return { place: directory.place(this.#path), isOpen: false, [Symbol.dispose]: () => directory[Symbol.dispose]() };
  }
}
