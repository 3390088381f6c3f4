import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { parseSize } from "./core/size.ts";

/** What pmd was told at its start, resolved once. */
export interface Settings {
  readonly stateDir: string;
  readonly runtimeDir: string;
  readonly logDir: string;
  /** What all logs together may take; 0 is without a limit. */
  readonly logTotalBytes: number;
  readonly socket: string;
  readonly socketMode: number;
  readonly socketOwner?: string;
  readonly socketGroup?: string;
  /** A file or a directory of files; empty: none. */
  readonly config: string;
  /** Empty: stderr. */
  readonly logFile: string;
  readonly logLevel: string;
  readonly cgroups: "auto" | "off";
}

/** Who leaves out the unit would lose all that was set aside. */
const leastTotalBytes = 8192;
const logLevels = ["trace", "debug", "info", "warn", "error"];

export const help = `pmd keeps services running. It stays in the foreground; drive it with pmctl.

Usage: pmd [--config FILE|DIR] [options]
       pmd check FILE|DIR [--json]      what is wrong with a file of services, without a daemon; see pmd check --help
       pmd schema                       the JSON Schema of such files, for editors
       pmd logs [NAME...] [options]     what services wrote, also when no pmd runs; see pmd logs --help

  --config FILE|DIR     services to have, as YAML or JSON, in a file or in all files of a directory; what is made with pmctl is remembered
                        without a file
  --socket PATH         where to listen                        ($RUNTIME/pmd.sock)
  --socket-mode MODE    who may connect, as an octal mode      (0600; 0660 with --socket-group)
  --socket-owner USER   owner of the socket
  --socket-group GROUP  group of the socket
  --state-dir DIR       the store                              (root: /var/lib/pmd,  user: ~/.local/state/pmd)
  --runtime-dir DIR     sockets and what is running            (root: /run/pmd,      user: $XDG_RUNTIME_DIR/pmd or ~/.local/state/pmd/run)
  --log-dir DIR         what services write                    (root: /var/log/pmd,  user: ~/.local/state/pmd/logs)
  --log-total SIZE      what all logs together may take, such as 10GiB: the oldest files that were set aside go (0: no limit)
  --log-file FILE       pmd's own log                          (stderr)
  --log-level LEVEL     trace, debug, info, warn, error        (info)
  --cgroups auto|off    find and kill what a service has started by its cgroup, where the host allows it (auto); off looks through /proc
  --version, --help

Signals: TERM and INT end pmd and leave the services running; the next pmd takes them over. A second one ends it at once.
To stop the services too: pmctl daemon stop --stop-services
HUP applies the file again, as pmctl reload-config does; one that is not valid changes nothing.

Examples:
  pmd --config /etc/pmd/pm.yaml
  pmd --socket /run/pmd/pmd.sock --socket-group deploy
  pmd --state-dir /tmp/try --runtime-dir /tmp/try/run --log-dir /tmp/try/logs
  pmd check /etc/pmd/pm.yaml
  pmd logs web --since 10m

Exit codes: 0 ended as asked, 1 cannot run, 2 wrong usage or configuration, 70 a bug
`;

/** The text to print instead of running, or the settings. Throws an Error that says what is wrong with the arguments. */
export function parseSettings(argv: readonly string[], version: string): Settings | { readonly print: string } {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    args: [...argv],
    strict: true,
    allowPositionals: false,
    options: {
      config: text,
      socket: text,
      "socket-mode": text,
      "socket-owner": text,
      "socket-group": text,
      "state-dir": text,
      "runtime-dir": text,
      "log-dir": text,
      "log-total": text,
      "log-file": text,
      "log-level": text,
      cgroups: text,
      version: { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) return { print: help };
  if (values.version) return { print: `pmd ${version}\n` };
  const places = defaultPlaces();
  const runtimeDir = resolve(values["runtime-dir"] ?? places.runtimeDir);
  const owner = values["socket-owner"];
  const group = values["socket-group"];
  return {
    stateDir: resolve(values["state-dir"] ?? places.stateDir),
    runtimeDir,
    logDir: resolve(values["log-dir"] ?? places.logDir),
    logTotalBytes: parseTotal(values["log-total"] ?? "0"),
    socket: resolve(values.socket ?? join(runtimeDir, "pmd.sock")),
    socketMode: values["socket-mode"] === undefined ? (group ? 0o660 : 0o600) : parseMode(values["socket-mode"]),
    ...(owner !== undefined && { socketOwner: owner }),
    ...(group !== undefined && { socketGroup: group }),
    config: values.config === undefined ? "" : resolve(values.config),
    logFile: values["log-file"] === undefined ? "" : resolve(values["log-file"]),
    logLevel: parseLevel(values["log-level"] ?? "info"),
    cgroups: parseCgroups(values.cgroups ?? "auto"),
  };
}

export function defaultPlaces(): Pick<Settings, "stateDir" | "runtimeDir" | "logDir"> {
  if (process.getuid?.() === 0) return { stateDir: "/var/lib/pmd", runtimeDir: "/run/pmd", logDir: "/var/log/pmd" };
  const stateDir = join(process.env.XDG_STATE_HOME || join(homedir(), ".local/state"), "pmd");
  const runtime = process.env.XDG_RUNTIME_DIR;
  return { stateDir, runtimeDir: runtime ? join(runtime, "pmd") : join(stateDir, "run"), logDir: join(stateDir, "logs") };
}

function parseMode(text: string): number {
  if (!/^(0o?)?[0-7]{3}$/.test(text)) throw new Error(`--socket-mode ${text}: give three octal digits, such as 0660`);
  return Number.parseInt(text.replace("o", ""), 8);
}

function parseTotal(text: string): number {
  const bytes = parseSize(text);
  if (bytes === undefined || (bytes > 0 && bytes < leastTotalBytes))
    throw new Error(`--log-total ${text}: give a size of 8KiB or more, such as 10GiB, or 0 for no limit`);
  return bytes;
}

function parseCgroups(text: string): "auto" | "off" {
  if (text !== "auto" && text !== "off") throw new Error(`--cgroups ${text}: give auto or off`);
  return text;
}

function parseLevel(text: string): string {
  if (!logLevels.includes(text)) throw new Error(`--log-level ${text}: give one of ${logLevels.join(", ")}`);
  return text;
}
