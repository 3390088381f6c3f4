import { createConnection, type Socket } from "node:net";
import { parseStatus, socketPath } from "./pump-client.ts";
import type { PumpStatus } from "./pump-protocol.ts";

/** A pump that was started and is not there by then did not come up. */
const startMs = 1000;
const lookMs = 50;

export interface PumpKeeperSettings {
  readonly runtimeDir: string;
  /** Starts the program, detached; whether it came up is seen by its lock. */
  readonly start: () => void;
  /** Told of every pump that is found at work, whoever has started it. */
  readonly onStarted: (status: PumpStatus) => void;
  readonly onLost?: () => void;
}

/**
 * Sees to it that there is a pump. A connection to it is held, so that its death is known at once; services wait with a full FIFO until the next
 * one is there. When this pmd leaves, the pump stays.
 */
export class PumpKeeper {
  readonly #settings: PumpKeeperSettings;
  #state: "closed" | "connecting" | "waiting" | "held" = "closed";
  #socket: Socket | undefined;
  #timer: NodeJS.Timeout | undefined;
  #startedAt = Number.NEGATIVE_INFINITY;

  constructor(settings: PumpKeeperSettings) {
    this.#settings = settings;
  }

  open(): void {
    if (this.#state === "closed") void this.#connect();
  }

  close(): void {
    this.#state = "closed";
    clearTimeout(this.#timer);
    this.#socket?.destroy();
  }

  get held(): boolean {
    return this.#state === "held";
  }

  async #connect(): Promise<void> {
    this.#state = "connecting";
    const path = await socketPath(this.#settings.runtimeDir);
    if (this.#state !== "connecting") return;
    if (path === undefined) return this.#again(startMs);
    const socket = createConnection({ path });
    this.#socket = socket;
    let text = "";
    let refused = false;
    socket.setEncoding("utf8");
    socket.on("connect", () => socket.write("hold\n"));
    socket.on("data", (more: string) => {
      text += more;
      const status = this.#state === "connecting" ? parseStatus(text) : undefined;
      if (status) this.#hold(status);
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      refused = error.code === "ECONNREFUSED";
    });
    socket.on("close", () => this.#gone(refused));
  }

  #hold(status: PumpStatus): void {
    this.#state = "held";
    this.#settings.onStarted(status);
  }

  #gone(nobodyThere: boolean): void {
    if (this.#state === "closed") return;
    const held = this.#state === "held";
    if (held) this.#settings.onLost?.();
    else if (nobodyThere) this.#start();
    // Whoever else closes the connection has too many of them, or is no pump.
    this.#again(held ? 0 : nobodyThere ? lookMs : startMs);
  }

  #start(): void {
    const now = performance.now();
    if (now - this.#startedAt < startMs) return;
    this.#startedAt = now;
    this.#settings.start();
  }

  #again(delayMs: number): void {
    this.#state = "waiting";
    this.#timer = setTimeout(() => void this.#connect(), delayMs);
  }
}
