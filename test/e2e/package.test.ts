import { cpSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import pkg from "../../package.json" with { type: "json" };
import { startDaemon } from "../support/daemon.ts";
import { runProgram } from "../support/run-program.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const programs = process.env.PM_TEST_PROGRAMS ?? "dist";
const bundled = ["@bufbuild/protobuf", "@connectrpc/connect", "@connectrpc/connect-node", "commander", "pidusage", "pino", "yaml"];

it("what is published needs nothing else: packed, and installed without a network into an empty folder, it runs, and says whose code is in it", {
  timeout: 180_000,
}, async () => {
  await using folder = makeTempDir();
  const npm = async (...args: string[]) => {
    const env = { PATH: process.env.PATH, HOME: folder.path };
    const outcome = await runProgram(["npm", ...args, "--offline", "--ignore-scripts"], { cwd: folder.path, env, timeoutMs: 120_000 });
    expect(outcome).toMatchObject({ code: 0 });
  };
  const checkout = join(folder.path, "checkout");
  for (const path of ["package.json", ...pkg.files]) cpSync(path === "dist" ? programs : path, join(checkout, path), { recursive: true });
  await npm("pack", checkout);
  const packed = readdirSync(folder.path).filter((name) => name.endsWith(".tgz"));
  await npm("install", "--prefix", join(folder.path, "empty"), ...packed.map((name) => join(folder.path, name)));

  const modules = join(folder.path, "empty/node_modules");
  expect(readdirSync(modules).filter((name) => !name.startsWith("."))).toEqual([pkg.name]);
  const licenses = readFileSync(join(modules, pkg.name, "dist/THIRD_PARTY_LICENSES"), "utf8");
  for (const name of bundled) expect(licenses).toMatch(new RegExp(`^${name} [0-9.]+\nLicense: `, "m"));

  const bin = (name: string) => join(modules, ".bin", name);
  await using daemon = await startDaemon({ programs: join(modules, ".bin") });
  const said = async (name: string, ...args: string[]) => {
    const { code, stdout, stderr } = await daemon.run([bin(name), ...args]);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    return stdout;
  };
  expect(await said("pmd", "--version")).toContain(pkg.version);
  expect(await said("pmctl", "--version")).toContain(pkg.version);
  await said("pmctl", "start", "--name", "web", "--", "sleep", "1000");
  expect(await said("pmctl", "ps")).toMatch(/web.*running/i);
  await said("pmctl", "stop", "web");
  expect(await said("pmctl", "ps")).toMatch(/web.*stopped/i);
});
