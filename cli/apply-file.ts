import type { MessageInitShape } from "@bufbuild/protobuf";
import { TargetResult_Outcome as Outcome } from "../gen/pm/v1/common_pb.ts";
import { type ApplyConfigRequestSchema, type ApplyConfigResponse, ApplyConfigResponseSchema, ConfigService } from "../gen/pm/v1/config_service_pb.ts";
import { carryOut } from "./carry-out.ts";
import type { ExitCode } from "./exit-codes.ts";
import { printJson } from "./json-output.ts";
import { formatOf, type OutputOptions } from "./options.ts";
import { printPlan } from "./plan-lines.ts";
import { worstExitCode } from "./problem.ts";
import { printFailures } from "./results.ts";
import { clientOf, type Session } from "./session.ts";
import { type WaitOptions, waitOf } from "./waiting.ts";

type Request = Omit<Exclude<MessageInitShape<typeof ApplyConfigRequestSchema>, { $typeName: string }>, "wait">;

/** Applies a file and waits for what comes of it, as far as the options say. */
export async function applyFile(session: Session, request: Request, options: WaitOptions): Promise<ApplyConfigResponse> {
  const source = request.file?.path ?? "";
  const task = { doing: "applying", goal: "ready" as const, selector: source === "" ? { all: true, namespace: "*" } : { source }, options };
  return await carryOut(session, task, (call) => clientOf(session, ConfigService).applyConfig({ ...request, wait: waitOf(options) }, call));
}

export async function reportApplied(session: Session, message: ApplyConfigResponse, options: OutputOptions): Promise<ExitCode> {
  const { plan, results } = message;
  const failed = results.filter(({ outcome }) => outcome === Outcome.FAILED);
  if (formatOf(options) === "json") await printJson(session, ApplyConfigResponseSchema, message);
  else {
    if (plan) printPlan(session, plan, results);
    printFailures(session, failed);
  }
  return worstExitCode(failed.map(({ problem }) => problem?.reason ?? ""));
}
