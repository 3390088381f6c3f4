import pkg from "../package.json" with { type: "json" };
import { PmError } from "./errors.ts";
import { closeForeignDescriptors } from "./foreign-descriptors.ts";
import { parseSettings } from "./settings.ts";

// pmd: flags → settings → daemon. The first signal ends it gracefully, the second at once; services run on in either case.

const exitCodes = { failed: 1, usage: 2, bug: 70 } as const;

await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<void> {
  if (argv[0] === "logs") {
    const { runLogs } = await import("./logs-command.ts");
    return runLogs(argv.slice(1));
  }
  if (argv[0] === "check") {
    const { runCheck } = await import("./check-command.ts");
    return runCheck(argv.slice(1));
  }
  if (argv[0] === "schema") {
    const { runSchema } = await import("./schema-command.ts");
    return runSchema(argv.slice(1));
  }
  const settings = readSettings(argv, pkg.version);
  if ("print" in settings) {
    process.stdout.write(settings.print);
    return;
  }
  closeForeignDescriptors();
  const { createLogger } = await import("./logger.ts");
  const { startDaemon } = await import("./daemon.ts");
  const log = createLogger(settings.logFile, settings.logLevel);
  // An exception that nobody expected leaves a state that nobody knows; the next pmd finds everything in the run directories.
  process.on("uncaughtException", (error) => {
    log.fatal({ err: error }, "a bug: pmd ends, services run on");
    process.exit(exitCodes.bug);
  });
  try {
    const daemon = await startDaemon(settings, pkg.version, log);
    onSignals({
      end(signal) {
        log.info({ signal }, "pmd ends, services run on");
        daemon.close().then(() => process.exit(0), crash);
      },
      // A terminal that is closed is no reason to stop watching services.
      reload: settings.config === "" ? () => undefined : () => daemon.reload().catch(crash),
    });
    await daemon.ended;
    await daemon.close();
    process.exit(0);
  } catch (error) {
    if (settings.logFile !== "") log.fatal({ err: error }, "pmd cannot run");
    process.stderr.write(explain(error as Error));
    process.exit(error instanceof PmError ? exitCodes.usage : exitCodes.failed);
  }
}

function readSettings(argv: readonly string[], version: string) {
  try {
    return parseSettings(argv, version);
  } catch (error) {
    process.stderr.write(`pmd: ${(error as Error).message}\nTry "pmd --help".\n`);
    return process.exit(exitCodes.usage);
  }
}

/** For whoever has just typed the command: a line for each thing that is wrong. */
function explain(error: Error): string {
  if (!(error instanceof PmError) || error.violations.length === 0) return `pmd: ${error.message}\n`;
  return error.violations.map(({ field, message }) => `pmd: ${field === "" ? "" : `${field}: `}${message}\n`).join("");
}

function onSignals({ end, reload }: { end: (signal: string) => void; reload: () => void }): void {
  let ending = false;
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      if (ending) process.exit(128 + 15);
      ending = true;
      end(signal);
    });
  }
  process.on("SIGHUP", reload);
}

function crash(error: unknown): never {
  process.stderr.write(`pmd: ${error instanceof Error ? error.stack : error}\n`);
  return process.exit(exitCodes.bug);
}
