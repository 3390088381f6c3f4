import { createServer, type Server, type Socket } from "node:net";
import type { PumpStatus } from "../logs/pump-protocol.ts";

/** Enough for every pmd and its tests; whoever else comes cannot use up the pump's descriptors. */
const maxVisitors = 64;
const longestLine = 16;

/** The pump's lock, and the place where it says how it is. */
export class ControlSocket {
  readonly #server: Server;
  readonly #holders = new Set<Socket>();
  readonly #status: () => PumpStatus;

  private constructor(server: Server, status: () => PumpStatus) {
    this.#server = server;
    this.#status = status;
    server.maxConnections = maxVisitors;
    server.on("connection", (socket) => this.#visit(socket));
  }

  /** Undefined when another has it. */
  static take(path: string, status: () => PumpStatus): Promise<ControlSocket | undefined> {
    const server = createServer();
    return new Promise((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) => (error.code === "EADDRINUSE" ? resolve(undefined) : reject(error)));
      server.listen(path, () => resolve(new ControlSocket(server, status)));
    });
  }

  /** Some pmd has this pump for its own. */
  get held(): boolean {
    return this.#holders.size > 0;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#holders) socket.destroy();
  }

  #visit(socket: Socket): void {
    let line = "";
    socket.setEncoding("latin1");
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#holders.delete(socket));
    socket.on("data", (text: string) => {
      line += text;
      if (line.length > longestLine) socket.destroy();
      if (!line.endsWith("\n")) return;
      this.#answer(socket, line.trimEnd());
      line = "";
    });
  }

  #answer(socket: Socket, word: string): void {
    if (word !== "hold" && word !== "status") return void socket.destroy();
    socket.write(`${JSON.stringify(this.#status())}\n`);
    if (word === "hold") this.#holders.add(socket);
    else socket.end();
  }
}
