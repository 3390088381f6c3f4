import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { constants, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { DescService, MessageInitShape } from "@bufbuild/protobuf";
import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { DaemonService } from "../../gen/pm/v1/daemon_service_pb.ts";
import type { ServiceSpec, ServiceSpecSchema } from "../../gen/pm/v1/service_pb.ts";
import { SupervisorService } from "../../gen/pm/v1/supervisor_service_pb.ts";
import { findByCommand } from "../support/process-costs.ts";

export type SpecFields = Exclude<MessageInitShape<typeof ServiceSpecSchema>, ServiceSpec>;

export const now = () => Number(process.hrtime.bigint()) / 1e6;

/** A built pmd in a place of its own, that says as little as it would on a host. */
export class BenchDaemon implements AsyncDisposable {
  readonly home = mkdtempSync(join(tmpdir(), "pm-bench-"));
  readonly socket = join(this.home, "run/pmd.sock");
  /** A connection that is kept, as a program would keep it. */
  readonly transport: Transport = createConnectTransport({
    baseUrl: "http://pmd",
    httpVersion: "1.1",
    useBinaryFormat: true,
    nodeOptions: { socketPath: this.socket },
  });
  readonly supervisor: Client<typeof SupervisorService> = this.client(SupervisorService);
  /** Until the first answer. */
  startMs = 0;
  #child: ChildProcess | undefined;
  /** A service says that it runs by writing to a FIFO with its first instruction; the line is seen here by its arrival. */
  readonly #said = join(this.home, "said");
  readonly #hearing: net.Socket;
  readonly #lines: Interface;
  #heard: () => void = () => undefined;

  constructor() {
    mkdirSync(join(this.home, "run"));
    spawnSync("mkfifo", [this.#said]);
    // As a socket: a read of a file that waits would wait in a thread, and Node does not end before its threads.
    this.#hearing = new net.Socket({ fd: openSync(this.#said, constants.O_RDWR | constants.O_NONBLOCK) });
    this.#lines = createInterface({ input: this.#hearing });
    this.#lines.on("line", () => this.#heard());
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get pumpPid(): number {
    return Number(readFileSync(join(this.home, "run/pump/pid"), "utf8"));
  }

  /** pmd, the pump, the shims and the spares. */
  pids(): number[] {
    return findByCommand(join(this.home, "run")).filter((pid) => pid !== process.pid);
  }

  /** The first line of a service that says that it runs, and then sleeps. */
  get sleeper(): string {
    return `echo up >"${this.#said}"; exec sleep 100000`;
  }

  client<S extends DescService>(service: S): Client<S> {
    return createClient(service, this.transport);
  }

  http2Transport(): Transport {
    return createGrpcTransport({ baseUrl: "http://pmd", nodeOptions: { createConnection: () => net.connect(this.socket) } });
  }

  logPath(service: string): string {
    return join(this.home, "logs", service, "out.log");
  }

  /** With these variables, beside our own. */
  async start(env: Record<string, string> = {}): Promise<this> {
    const places = ["--state-dir", join(this.home, "state"), "--runtime-dir", join(this.home, "run"), "--log-dir", join(this.home, "logs")];
    const begun = now();
    this.#child = spawn("dist/pmd", [...places, "--log-file", join(this.home, "pmd.log")], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "ignore", "inherit"],
    });
    while (
      !(await this.client(DaemonService)
        .getInfo({})
        .then(Boolean, () => false))
    ) {
      if (this.#child.exitCode !== null) throw new Error(`pmd ended with ${this.#child.exitCode} before it answered`);
    }
    this.startMs = now() - begun;
    return this;
  }

  /** Resolves with the time at which so many services have said that they run. */
  hear(count: number): Promise<number> {
    let left = count;
    return new Promise((resolve) => {
      this.#heard = () => {
        left -= 1;
        if (left === 0) resolve(now());
      };
    });
  }

  /** Makes services with this label, which do not run yet. */
  async make(count: number, label: string, spec: SpecFields): Promise<void> {
    for (let at = 0; at < count; at++) {
      await this.supervisor.createService({ name: `${label}${at}`, spec: { ...spec, autostart: false, labels: { bench: label } } });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child?.exitCode === null) {
      const ended = once(this.#child, "exit");
      await this.client(DaemonService).shutdown({ stopServices: true });
      await ended;
    }
    this.#lines.close();
    this.#hearing.destroy();
    // The pump and the last shims see by themselves that they are not needed.
    for (let left = 100; left > 0 && this.pids().length > 0; left--) await sleep(50);
    for (const pid of this.pids()) process.kill(pid, "SIGKILL");
    rmSync(this.home, { recursive: true, force: true });
  }
}

/** Runs this line, is started again at once, and counts as running at once. */
export function shell(line: string, more: SpecFields = {}): SpecFields {
  return { process: { command: { shell: line } }, start: { settle: { nanos: 1 } }, restart: { delay: { nanos: 0 } }, ...more } as SpecFields;
}

export function labelled(label: string) {
  return { labels: { bench: label } };
}
