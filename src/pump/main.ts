import { mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { pumpSocketPath } from "../logs/pump-protocol.ts";
import { ControlSocket } from "./control-socket.ts";
import { Pump } from "./pump.ts";

// The pump: moves what services write from their FIFOs to their log files. A process of its own, so that pmd can be killed, stopped and upgraded
// while services write; small, without network, store or packages, so that there is little for which it would have to be replaced itself.
// One per runtime directory. Killed, it loses at most the chunk in its hands; told to leave by SIGTERM, it loses nothing: what it has not read
// stays in the FIFOs, which the shims hold open, for the next pump.

/** Without runs and without a pmd for so long, it leaves. */
const idleMs = 60_000;

const { values } = parseArgs({
  options: { "runtime-dir": { type: "string" }, version: { type: "string", default: "" } },
});
const runtimeDir = values["runtime-dir"];
if (!runtimeDir) throw new Error("usage: pm-pump --runtime-dir DIR [--version TEXT]");

// An errno is all that is ever asked of an error here, and its stack costs more than a write.
Error.stackTraceLimit = 0;
process.umask(0o022);

const control = await ControlSocket.take(pumpSocketPath(realpathSync(runtimeDir), process.getuid?.() ?? 0), () => pump.status());
// Another pump is at work: that is all that whoever started this one wants.
if (!control) process.exit(0);

const leave = (code = 0): void => {
  pump.close();
  control.close();
  process.exit(code);
};
const pump = new Pump({ runtimeDir, version: values.version, exit: () => leave() });

mkdirSync(join(runtimeDir, "pump"), { recursive: true, mode: 0o700 });
writeFileSync(join(runtimeDir, "pump", "pid"), `${process.pid}\n`);
process.on("SIGTERM", () => leave());
process.on("SIGINT", () => leave());
process.on("SIGHUP", () => undefined);
// Nobody reads this program's stderr. pmd starts another.
process.on("uncaughtException", (error) => {
  writeFileSync(join(runtimeDir, "pump", "last-error"), `${new Date().toISOString()} ${error}\n`);
  leave(70);
});
pump.start();

let neededAt = performance.now();
setInterval(() => {
  if (control.held || !pump.idle) neededAt = performance.now();
  else if (performance.now() - neededAt > idleMs) leave();
}, 1000);
