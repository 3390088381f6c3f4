import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { eventually } from "../support/eventually.ts";
import { type Outcome, runProgram } from "../support/run-program.ts";
import { Device } from "./device.ts";

/** Everything is slow here. */
const patienceMs = 300_000;
const unit = "/etc/systemd/system/pmd.service";
const places = ["/run/pmd", "/var/lib/pmd", "/var/log/pmd"];

export interface InstanceFacts {
  readonly name: string;
  readonly state: string;
  readonly restarts?: string;
  readonly run?: { readonly id: string; readonly pid: number; readonly adopted?: boolean };
  readonly lastExit?: { readonly cause: string; readonly code?: number; readonly signal?: string; readonly message?: string };
  readonly conditions?: readonly { readonly type: string }[];
}

/** The machine from inside, as its root has it: pmd under systemd with the unit of the examples, and pmctl. */
export class Host {
  readonly #devices: Device[] = [];

  prepare(): void {
    for (const [name, target] of Object.entries({ pmd: "/stories/dist/pmd", pmctl: "/stories/dist/pmctl.js" })) {
      if (!existsSync(`/usr/local/bin/${name}`)) symlinkSync(target, `/usr/local/bin/${name}`);
    }
    for (const place of places) mkdirSync(place, { recursive: true });
    mkdirSync("/etc/pmd", { recursive: true });
    writeFileSync("/etc/pmd/pm.yaml", "version: 1\n");
    cpSync("/stories/examples/systemd/pmd.service", unit);
    this.run("systemctl", "daemon-reload");
    // What is compiled once need not be again.
    process.env.NODE_COMPILE_CACHE = "/run/compiled";
    this.run("systemctl", "set-environment", "NODE_COMPILE_CACHE=/run/compiled");
  }

  /** What pmd finds in its file: a line for the shell by the name of its service. None is started again by itself. */
  define(services: Readonly<Record<string, string>>): void {
    const specs = Object.entries(services).map(([name, shell]) => [name, { process: { command: { shell } }, restart: { policy: "never" } }]);
    writeFileSync("/etc/pmd/pm.yaml", JSON.stringify({ version: 1, services: Object.fromEntries(specs) }));
  }

  /** `dropIn`: lines for the section Service of its unit. */
  async startPmd(dropIn = ""): Promise<void> {
    if (dropIn !== "") {
      mkdirSync(`${unit}.d`, { recursive: true });
      writeFileSync(`${unit}.d/story.conf`, `[Service]\n${dropIn}\n`);
      this.run("systemctl", "daemon-reload");
    }
    console.log(`+ ${Math.round(performance.now() / 1000)} s  systemctl start pmd`);
    this.run("systemctl", "start", "pmd");
    await this.eventually(() => this.info());
  }

  /** Resolves with what it prints; fails if it does. */
  async pmctl(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.tryPmctl(...args);
    if (code !== 0) throw new Error(`pmctl ${args.join(" ")} ended with ${code}\n${stdout}${stderr}`);
    return stdout;
  }

  tryPmctl(...args: string[]): Promise<Outcome> {
    console.log(`+ ${Math.round(performance.now() / 1000)} s  pmctl ${args.join(" ")}`);
    return runProgram(["pmctl", ...args], { timeoutMs: patienceMs, cwd: "/" });
  }

  /** A new service, of a line for the shell; resolves when it runs. */
  async start(name: string, line: string, ...options: string[]): Promise<number> {
    await this.pmctl("start", "--name", name, "--shell", line, ...options);
    return this.pid(name);
  }

  info(): Promise<{ problems?: { reason: string; message: string }[] }> {
    return ask("DaemonService/GetInfo");
  }

  async instances(): Promise<InstanceFacts[]> {
    const { services = [] } = await ask<{ services?: { status: { instances?: InstanceFacts[] } }[] }>("SupervisorService/ListServices");
    return services.flatMap(({ status }) => status.instances ?? []);
  }

  async instance(name: string): Promise<InstanceFacts> {
    const found = (await this.instances()).find((instance) => instance.name === `default/${name}#0`);
    if (!found) throw new Error(`there is no ${name}`);
    return found;
  }

  async pid(name: string): Promise<number> {
    const { run } = await this.instance(name);
    if (!run?.pid) throw new Error(`${name} does not run`);
    return run.pid;
  }

  eventually<T>(fact: () => T | Promise<T>): Promise<Exclude<T, false | undefined | null>> {
    return eventually(fact, { timeoutMs: patienceMs });
  }

  /** The main process of pmd, as systemd has it; 0 when there is none. */
  get pmdPid(): number {
    return Number(this.run("systemctl", "show", "--property=MainPID", "--value", "pmd"));
  }

  run(program: string, ...args: string[]): string {
    return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
  }

  /** A part of the disk. The same name has the same content at the next boot. */
  device(name: Device["name"]): Device {
    const device = new Device(name);
    this.#devices.push(device);
    return device;
  }

  /** Stops everything, and fails if anything of it is left. */
  async clear(): Promise<void> {
    for (const device of this.#devices) device.become("linear");
    if (this.pmdPid !== 0) await this.pmctl("daemon", "stop", "--stop-services").catch(() => undefined);
    this.run("systemctl", "stop", "pmd");
    const left = () => processesOf("/pmd").filter((pid) => commandOf(pid) !== "");
    // The pump goes last, a while after the last run.
    for (const pid of left()) if (commandOf(pid).includes("pm-pump")) process.kill(pid, "SIGTERM");
    const remains = await eventually(() => left().length === 0, { timeoutMs: 30_000 }).then(
      () => "",
      () =>
        left()
          .map((pid) => `${pid} ${commandOf(pid)}`)
          .join("\n"),
    );
    for (const pid of left()) process.kill(pid, "SIGKILL");
    rmSync(`${unit}.d`, { recursive: true, force: true });
    for (const device of this.#devices.splice(0)) device.remove();
    for (const place of places)
      for (const name of existsSync(place) ? readdirSync(place) : []) rmSync(join(place, name), { recursive: true, force: true });
    if (remains !== "") throw new Error(`the story leaves something behind:\n${remains}`);
  }

  /** What helps to understand a failure. */
  report(): string {
    const kernel = this.run("dmesg").split("\n").slice(-8).join("\n");
    return ["pmd says:", this.run("journalctl", "-u", "pmd", "-n", "25", "-o", "cat", "--no-pager"), "the kernel says:", kernel].join("\n");
  }
}

/** The API as JSON: what pmctl shows, without the start of a program each time. */
function ask<T>(method: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json" };
    const call = request({ socketPath: "/run/pmd/pmd.sock", path: `/pm.v1.${method}`, method: "POST", headers, timeout: patienceMs }, (response) => {
      text(response).then((answer) => {
        if (response.statusCode === 200) resolve(JSON.parse(answer) as T);
        else reject(new Error(`${method}: ${response.statusCode} ${answer}`));
      }, reject);
    });
    call.on("timeout", () => call.destroy(new Error(`${method} was not answered in ${patienceMs / 1000} s`)));
    call.on("error", reject).end("{}");
  });
}

/** The control group of a process, as a directory. */
export function cgroupOf(pid: number): string {
  return join("/sys/fs/cgroup", readFileSync(`/proc/${pid}/cgroup`, "utf8").trim().replace(/^0::/, ""));
}

/** Processes in groups with this in their name, zombies included. */
export function processesOf(group: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => readProc(pid, "cgroup").includes(group));
}

/** Empty for zombies. */
export function commandOf(pid: number): string {
  return readProc(pid, "cmdline").replaceAll("\0", " ").trim();
}

/** Anything of it, also what was left for its parent to see. */
export function isInTable(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch {
    return ""; // it has ended
  }
}
