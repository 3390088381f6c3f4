import { closeSync, constants, openSync, readSync } from "node:fs";
import { Socket, type SocketConstructorOpts } from "node:net";

// Reading a FIFO in Node. The choices were measured, 64 KiB writes and one write per line of 100 bytes, beside `cat fifo > file`
// with 1200-1380 MB/s at 0.4 CPU s/GB and 155 MB/s at 6.5:
//
//   Socket, "data" event                 570- 970 MB/s, 0.8-1.8 s/GB     220 MB/s, 4.4 s/GB      a buffer per chunk
//   Socket with one buffer (`onread`)    950-1320 MB/s, 0.5     s/GB     220 MB/s, 4.4 s/GB
//   the same and a nap                  1060-1220 MB/s, 0.5     s/GB     270-350 MB/s, 0.6-0.9   what is here
//
// The nap: a program that writes line by line wakes its reader for each of them, and both spend their time in waking up. So after a small
// read from a FIFO that was read a moment ago, everything sleeps for 50 µs, once a turn of the loop, while the FIFOs fill a little.
// A line after a silence is read at once.
//
// The buffer is larger than a FIFO holds, so one read takes all there is, and the loop goes round between all FIFOs that have something: a flood
// in one cannot starve another. All FIFOs share the buffer, because a chunk has been written when its callback returns.

const buffer = Buffer.allocUnsafeSlow(128 * 1024);
const smallRead = 16 * 1024;
const busyMs = 1;
const napMs = 0.05;
const napCell = new Int32Array(new SharedArrayBuffer(4));
let nappedThisTurn = false;

/** Says whether it wants more. */
export type TakeChunk = (chunk: Buffer) => boolean;

/** Reads until nobody holds the FIFO any more. Chunks are valid until the callback returns. */
export class Fifo {
  readonly #fd: number;
  readonly #take: TakeChunk;
  readonly #ended: () => void;
  #socket: Socket | undefined;
  #paused = false;
  #lastRead = 0;

  constructor(path: string, take: TakeChunk, ended: () => void) {
    this.#take = take;
    this.#ended = ended;
    this.#fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    // A FIFO that was opened after its last writer left never hangs up; only a read says that nobody is there.
    if (this.#readOnce() === 0) {
      closeSync(this.#fd);
      setImmediate(ended);
    } else {
      this.#socket = this.#listen();
    }
  }

  /** Takes everything that was written before this call; what is written meanwhile may stay. False when the taker does not want all of it. */
  drain(mostBytes: number): boolean {
    for (let taken = 0; this.#socket && !this.#paused && taken < mostBytes; ) {
      const count = this.#readOnce();
      if (!count) break;
      taken += count;
    }
    return !this.#paused;
  }

  /** After the taker has had enough: it wants more again. */
  resume(): void {
    this.#paused = false;
    this.#socket?.resume();
  }

  close(): void {
    this.#socket?.removeAllListeners("close");
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #listen(): Socket {
    const onread = { buffer, callback: (count: number) => this.#woken(count) };
    const socket = new Socket({ fd: this.#fd, readable: true, writable: false, onread, pauseOnCreate: this.#paused } as SocketConstructorOpts);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => {
      this.#socket = undefined;
      this.#ended();
    });
    if (!this.#paused) socket.resume();
    return socket;
  }

  #woken(count: number): boolean {
    this.#paused = !this.#take(buffer.subarray(0, count));
    const now = performance.now();
    if (count < smallRead && now - this.#lastRead < busyMs) napOnce();
    this.#lastRead = now;
    return !this.#paused;
  }

  /** Undefined when there is nothing just now, 0 when nobody can write any more. */
  #readOnce(): number | undefined {
    let count: number;
    try {
      count = readSync(this.#fd, buffer);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EAGAIN") return undefined;
      throw error;
    }
    if (count > 0) this.#paused = !this.#take(buffer.subarray(0, count));
    return count;
  }
}

function napOnce(): void {
  if (nappedThisTurn) return;
  nappedThisTurn = true;
  setImmediate(() => {
    nappedThisTurn = false;
  });
  Atomics.wait(napCell, 0, 0, napMs);
}
