import { execFileSync } from "node:child_process";
import { existsSync, fsyncSync, mkdirSync, openSync, readSync, writeSync } from "node:fs";

const disk = "/dev/vdc";
const sectors = 131_072; // 64 MiB
const names = ["state", "logs", "notes"] as const;

/** A part of the disk that can be made to fail, by way of the device mapper. */
export class Device {
  readonly name: (typeof names)[number];
  readonly path: string;
  #mountPoint: string | undefined;

  constructor(name: (typeof names)[number]) {
    this.name = name;
    this.path = `/dev/mapper/${name}`;
    execFileSync("modprobe", ["-a", "dm-mod", "dm-delay"]);
    if (!existsSync(this.path)) execFileSync("dmsetup", ["create", name, "--table", this.#table("linear")]);
  }

  /** `options` are of mkfs. */
  format(...options: string[]): void {
    execFileSync("mkfs.ext4", ["-q", "-F", ...options, this.path], { stdio: "pipe" });
  }

  mount(point: string, options = "defaults"): void {
    mkdirSync(point, { recursive: true });
    execFileSync("mount", ["-o", options, this.path, point], { stdio: "pipe" });
    this.#mountPoint = point;
  }

  /** From now on every access is of this kind; what is under way is not waited for. */
  become(kind: "linear" | "error" | "slow"): void {
    execFileSync("dmsetup", ["suspend", "--nolockfs", this.name]);
    execFileSync("dmsetup", ["load", this.name, "--table", this.#table(kind)]);
    execFileSync("dmsetup", ["resume", this.name]);
  }

  remove(): void {
    if (this.#mountPoint) execFileSync("umount", ["-l", this.#mountPoint]);
    // Whoever has a file of it open still holds it.
    execFileSync("dmsetup", ["remove", "--deferred", this.name]);
  }

  /** Something to remember over a boot, on the disk when this returns, and nothing else brought there by it. */
  note(text: string): void {
    const block = Buffer.alloc(65_536);
    block.write(text);
    const fd = openSync(this.path, "r+");
    writeSync(fd, block, 0, block.length, 0);
    fsyncSync(fd);
  }

  readNote(): string {
    const block = Buffer.alloc(65_536);
    readSync(openSync(this.path, "r"), block, 0, block.length, 0);
    return block.subarray(0, block.indexOf(0)).toString();
  }

  #table(kind: "linear" | "error" | "slow"): string {
    const offset = 2048 + names.indexOf(this.name) * sectors;
    switch (kind) {
      case "linear":
        return `0 ${sectors} linear ${disk} ${offset}`;
      case "error":
        return `0 ${sectors} error`;
      case "slow":
        return `0 ${sectors} delay ${disk} ${offset} 0 ${disk} ${offset} 400`;
    }
  }
}
