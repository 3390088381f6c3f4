import fs from "node:fs";
import path from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Command } from "commander";
import type { ApplyOptionsSchema, ConfigFileSchema } from "../gen/pm/v1/config_service_pb.ts";
import { Failure, usageError } from "./failure.ts";
import type { Session } from "./session.ts";

/** What is meant where no file is named. */
const defaultFile = "pm.yaml";

export interface FileOptions {
  readonly file?: string;
  readonly send?: boolean;
}

export interface ApplyOptions {
  readonly prune?: boolean;
  readonly force?: boolean;
  readonly resetOverrides?: boolean;
}

export function fileOption(command: Command): Command {
  return command.option("-f, --file <file>", "the file, as pmd finds it on its host (./pm.yaml)");
}

export function fileOptions(command: Command): Command {
  return fileOption(command).option("--send", "read the file here and send it, for a pmd that may not read it");
}

export function applyOptions(command: Command): Command {
  return command
    .option("--prune", "delete services that the file defined once and does not any more")
    .option("--force", "take over services that were made over the API or by another file")
    .option("--reset-overrides", "take back what was stopped, started or scaled by hand");
}

/** pmd reads the file: it runs on this host, and what is relative in it begins at its directory. */
export function configFileOf(session: Session, { file, send }: FileOptions): MessageInitShape<typeof ConfigFileSchema> {
  const whole = pathOf(session, file);
  return send ? { path: whole, text: readText(whole) } : { path: whole };
}

/** The path by which pmd knows a file. */
export function pathOf({ cwd }: Session, file: string | undefined): string {
  const whole = path.resolve(cwd, file ?? defaultFile);
  if (file === undefined && !fs.existsSync(whole)) throw usageError(`there is no ${defaultFile} here: say which file with -f FILE`);
  return whole;
}

export function applyOptionsOf({ prune = false, force = false, resetOverrides = false }: ApplyOptions): MessageInitShape<typeof ApplyOptionsSchema> {
  return { prune, force, resetOverrides };
}

function readText(file: string): string {
  try {
    return fs.readFileSync(file, "utf8");
  } catch (error) {
    throw new Failure(`cannot read ${file}: ${(error as Error).message}`);
  }
}
