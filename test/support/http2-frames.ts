import net from "node:net";

// HTTP/2 by hand, for what no client library lets one say.

export const frameTypes = { data: 0, headers: 1, rstStream: 3, settings: 4, ping: 6, goAway: 7, windowUpdate: 8, continuation: 9 } as const;
export const flags = { none: 0, endStream: 1, ack: 1, endHeaders: 4 } as const;
export const errorCodes = { protocol: 1, flowControl: 3, refusedStream: 7, cancel: 8, enhanceYourCalm: 11 } as const;

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export interface Frame {
  readonly type: number;
  readonly flags?: number;
  readonly stream?: number;
  readonly payload?: Buffer;
}

export function frame({ type, flags = 0, stream = 0, payload = Buffer.alloc(0) }: Frame): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export const emptySettings = frame({ type: frameTypes.settings });

/** As HPACK spells them when it compresses nothing; names and values are shorter than 127 bytes. */
export function headerBlock(fields: Record<string, string>): Buffer {
  const text = (value: string) => Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
  return Buffer.concat(Object.entries(fields).flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));
}

export function callHeaders(path: string, more: Record<string, string> = {}): Buffer {
  return headerBlock({ ":method": "POST", ":scheme": "http", ":path": path, ":authority": "pmd", "content-type": "application/grpc", ...more });
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A client that has said who it is, and says whatever the test wants it to. */
export class RawSession implements Disposable {
  readonly socket: net.Socket;
  readonly closed: Promise<void>;
  #unread = Buffer.alloc(0);
  readonly #heard: Required<Frame>[] = [];

  constructor(path: string) {
    this.socket = net.connect(path);
    this.socket.on("error", () => undefined); // being cut is an answer
    this.closed = new Promise((resolve) => this.socket.once("close", () => resolve()));
    this.socket.write(preface);
  }

  /** From now on. Until then nothing of what the server says is taken. */
  listen(): void {
    this.socket.on("data", (chunk: Buffer) => {
      this.#unread = Buffer.concat([this.#unread, chunk]);
      for (let size = sizeOf(this.#unread); size <= this.#unread.length; size = sizeOf(this.#unread)) {
        this.#heard.push(parseFrame(this.#unread.subarray(0, size)));
        this.#unread = this.#unread.subarray(size);
      }
    });
  }

  say(...frames: Frame[]): void {
    this.socket.write(Buffer.concat(frames.map(frame)));
  }

  /** Goes on until the connection is closed, or so many have been said. Resolves with the number. */
  async flood(next: Frame, most: number): Promise<number> {
    const batch = Buffer.concat(Array.from({ length: 100 }, () => frame(next)));
    let said = 0;
    for (; said < most && !this.socket.destroyed; said += 100) {
      const flows = this.socket.write(batch);
      await Promise.race([this.closed, flows ? new Promise(setImmediate) : new Promise((resolve) => this.socket.once("drain", resolve))]);
    }
    return said;
  }

  heard(type: number): Required<Frame>[] {
    return this.#heard.filter((frame) => frame.type === type);
  }

  /** Why the server ended this stream, if it did; of the connection for stream 0. */
  errorOf(stream: number): number | undefined {
    if (stream === 0) return this.heard(frameTypes.goAway).at(-1)?.payload.readUInt32BE(4);
    return this.heard(frameTypes.rstStream)
      .find((frame) => frame.stream === stream)
      ?.payload.readUInt32BE(0);
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

/** More than there is while the head of a frame has not come. */
function sizeOf(bytes: Buffer): number {
  return bytes.length < 9 ? Number.POSITIVE_INFINITY : 9 + bytes.readUIntBE(0, 3);
}

function parseFrame(bytes: Buffer): Required<Frame> {
  return { type: bytes[3] as number, flags: bytes[4] as number, stream: bytes.readUInt32BE(5), payload: Buffer.from(bytes.subarray(9)) };
}
