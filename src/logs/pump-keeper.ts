import { createConnection, type Socket } from "node:net";
import { parseStatus, socketPath } from "./pump-client.ts";
import type { PumpStatus } from "./pump-protocol.ts";

/** A pump that was started and is not there by then did not come up. */
const startMs = 1000;
const lookMs = 50;

/** The pump is asked for a sign of life this often. Looks are counted, and not time: a pmd that stood still itself has not looked. */
const beatMs = 1000;
/** So many looks in a row without an answer, and it is stopped or stuck. */
const silentBeats = 4;
/** A pump that does not go when it is asked has this many looks more; then it is killed. */
const patienceBeats = 5;

export interface PumpKeeperSettings {
  readonly runtimeDir: string;
  /** Starts the program, detached; whether it came up is seen by its lock. */
  readonly start: () => void;
  /** Told of every pump that is found at work, whoever has started it. */
  readonly onStarted: (status: PumpStatus) => void;
  /** Told of every answer, once a second. */
  readonly onAnswer?: (status: PumpStatus) => void;
  readonly onLost?: () => void;
  /** Told of a pump that is there and does not answer. It is replaced. */
  readonly onStalled?: () => void;
  /** Sends a signal to whoever is proven to listen there. */
  readonly signal: (socketPath: string, signal: "SIGCONT" | "SIGTERM" | "SIGKILL") => void;
}

/**
 * Sees to it that there is a pump. A connection to it is held, so that its death is known at once; services wait with a full FIFO until the next
 * one is there. When this pmd leaves, the pump stays.
 *
 * A pump that is stopped, or whose loop hangs, is as bad as none, and holds the lock. It is noticed by a heartbeat over the same connection: `hold`
 * said again is answered again, by older pumps too. First it is woken and asked to leave, which loses nothing; only one that does not is killed.
 */
export class PumpKeeper {
  readonly #settings: PumpKeeperSettings;
  #state: "closed" | "connecting" | "waiting" | "held" = "closed";
  #socket: Socket | undefined;
  #timer: NodeJS.Timeout | undefined;
  #startedAt = Number.NEGATIVE_INFINITY;
  #beat: NodeJS.Timeout | undefined;
  /** Looks without an answer since it was asked last. */
  #unanswered = 0;

  constructor(settings: PumpKeeperSettings) {
    this.#settings = settings;
  }

  open(): void {
    if (this.#state === "closed") void this.#connect();
  }

  close(): void {
    this.#state = "closed";
    clearTimeout(this.#timer);
    clearInterval(this.#beat);
    this.#socket?.destroy();
  }

  get held(): boolean {
    return this.#state === "held";
  }

  /** There is a pump, and it gives no sign of life. */
  get stalled(): boolean {
    return this.#unanswered >= silentBeats;
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
    socket.on("connect", () => {
      socket.write("hold\n");
      this.#watchOver(socket, path);
    });
    socket.on("data", (more: string) => {
      text += more;
      const status = parseStatus(text);
      if (!status) return;
      text = "";
      this.#unanswered = 0;
      if (this.#state === "connecting") this.#hold(status);
      this.#settings.onAnswer?.(status);
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      refused = error.code === "ECONNREFUSED";
    });
    socket.on("close", () => this.#gone(refused));
  }

  #watchOver(socket: Socket, path: string): void {
    this.#beat = setInterval(() => {
      if (this.#unanswered === 0 && this.#state === "held") socket.write("hold\n");
      this.#unanswered += 1;
      if (this.#unanswered === silentBeats) this.#replace(path);
      if (this.#unanswered === silentBeats + patienceBeats) this.#settings.signal(path, "SIGKILL");
    }, beatMs);
  }

  #replace(path: string): void {
    this.#settings.onStalled?.();
    // A stopped process takes the signal when it goes on; what it has not read stays in the FIFOs.
    this.#settings.signal(path, "SIGTERM");
    this.#settings.signal(path, "SIGCONT");
  }

  #hold(status: PumpStatus): void {
    this.#state = "held";
    this.#settings.onStarted(status);
  }

  #gone(nobodyThere: boolean): void {
    clearInterval(this.#beat);
    this.#unanswered = 0;
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
