import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { makeTempDir, type TempDir } from "../support/temp-dir.ts";

/** Of the disk whose content outlives the machine. The stories take their devices from it. */
const diskBytes = 256 * 1024 * 1024;
/** A machine that says nothing for so long hangs. */
const silenceMs = 1_200_000;

/**
 * A virtual machine with systemd as PID 1 and all controllers of cgroup v2, emulated, because not every host has the hardware for more. Its first
 * disk is new at each boot, its last one is as the boot before has left it.
 */
export class Machine implements AsyncDisposable {
  readonly #dir: TempDir = makeTempDir();
  readonly #image: string;
  readonly #archive: string;
  readonly #disk: string;
  #qemu: ChildProcessByStdio<null, Readable, null> | undefined;

  /** `archive`: what it gets to know of the host, on its second disk. */
  constructor(image: string, archive: string) {
    this.#image = image;
    this.#archive = archive;
    this.#disk = join(this.#dir.path, "disk");
    this.wipe();
  }

  /** A disk of zeros. */
  wipe(): void {
    rmSync(this.#disk, { force: true });
    closeSync(openSync(this.#disk, "w"));
    truncateSync(this.#disk, diskBytes);
  }

  /** Yields what the stories say, until the machine is off. */
  async *boot(parameters: string): AsyncGenerator<string> {
    const drive = (file: string, options: string) => ["-drive", `if=virtio,format=raw,file=${file},${options}`];
    const qemu = spawn(
      "qemu-system-x86_64",
      [
        ...["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1536", "-nodefaults", "-no-reboot", "-display", "none"],
        ...["-kernel", join(this.#image, "kernel"), "-initrd", join(this.#image, "initramfs.gz")],
        ...["-append", `console=ttyS0 panic=-1 quiet systemd.show_status=0 mitigations=off nokaslr ${parameters}`],
        ...["-serial", `file:${this.#console}`, "-serial", "stdio"],
        ...drive(join(this.#image, "disk"), "snapshot=on,cache=unsafe"),
        ...drive(this.#archive, "readonly=on"),
        ...drive(this.#disk, "cache=writeback"),
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    this.#qemu = qemu;
    const watchdog = setTimeout(() => qemu.kill("SIGKILL"), silenceMs);
    try {
      for await (const line of createInterface(qemu.stdout)) {
        watchdog.refresh();
        yield line.trimEnd();
      }
    } finally {
      clearTimeout(watchdog);
      await this.cutPower();
    }
  }

  /** What the guest had not yet brought to its disks is lost. */
  async cutPower(): Promise<void> {
    const qemu = this.#qemu;
    this.#qemu = undefined;
    if (!qemu || qemu.exitCode !== null || qemu.signalCode !== null) return;
    qemu.kill("SIGKILL");
    await once(qemu, "exit");
  }

  /** The last that the kernel said. */
  get lastWords(): string {
    return readFileSync(this.#console, "latin1").trimEnd().split("\n").slice(-20).join("\n");
  }

  get #console(): string {
    return join(this.#dir.path, "console");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cutPower();
    await this.#dir[Symbol.asyncDispose]();
  }
}
