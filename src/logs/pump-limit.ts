import { requestTotalLimit } from "./pump-client.ts";
import type { LogTotalLimit, PumpStatus } from "./pump-protocol.ts";

export interface PumpLimitSettings {
  readonly runtimeDir: string;
  readonly limit: LogTotalLimit;
  /** Told once of each pump that knows no such limit: it is of an earlier version. */
  readonly onUnknown: () => void;
  /** Told of each try that failed; the next answer of the pump is the next try. */
  readonly onError: (error: unknown) => void;
}

/**
 * Sees to it that the pump has the limit that this pmd was started with. A pump survives pmd, with the limit that the pmd before gave it, and a new one
 * has none: so each is told once, and again when what it says of itself is another limit.
 */
export class PumpLimit {
  readonly #settings: PumpLimitSettings;
  readonly #leaving = new AbortController();
  /** The pump that has been told, or cannot be. */
  #toldPid = 0;
  #asking = false;

  constructor(settings: PumpLimitSettings) {
    this.#settings = settings;
  }

  /** What the pump says of itself. */
  see({ pid, logTotalBytes }: PumpStatus): void {
    const { limit, onUnknown } = this.#settings;
    if (logTotalBytes === undefined) {
      if (pid !== this.#toldPid && limit.bytes > 0) onUnknown();
      this.#toldPid = pid;
    } else if (((limit.bytes > 0 && pid !== this.#toldPid) || logTotalBytes !== limit.bytes) && !this.#asking) {
      void this.#tell(pid);
    }
  }

  close(): void {
    this.#leaving.abort();
  }

  async #tell(pid: number): Promise<void> {
    const { signal } = this.#leaving;
    this.#asking = true;
    try {
      await requestTotalLimit(this.#settings.runtimeDir, this.#settings.limit, signal);
      this.#toldPid = pid;
    } catch (error) {
      if (!signal.aborted) this.#settings.onError(error);
    } finally {
      this.#asking = false;
    }
  }
}
