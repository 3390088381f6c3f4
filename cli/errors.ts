import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema } from "../gen/google/rpc/error_details_pb.ts";
import { ProblemSchema } from "../gen/pm/v1/common_pb.ts";
import { systemErrorOf } from "./connection-loss.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { Failure } from "./failure.ts";
import { spokenDuration } from "./figures.ts";
import { exitCodeOf, problemDetails } from "./problem.ts";
import { safeText } from "./safe-text.ts";

interface Surroundings {
  readonly socketPath: string;
  readonly answerMs: number;
}

/** Whatever went wrong, in words for the user and with the exit code for scripts. */
export function toFailure(error: unknown, surroundings: Surroundings): Failure {
  if (error instanceof Failure) return error;
  const connectError = ConnectError.from(error);
  return unreachable(connectError, surroundings) ?? refused(connectError) ?? byCode(connectError, surroundings);
}

/** The connection itself could not be made, or was lost. */
function unreachable(error: ConnectError, { socketPath }: Surroundings): Failure | undefined {
  const at = safeText(socketPath);
  switch (systemErrorOf(error)) {
    case undefined:
      return undefined;
    case "ENOENT":
    case "ENOTDIR":
      return new Failure(`cannot reach pmd at ${at}: no such socket; start it with "pmd", or say --socket`, exitCodes.unreachable);
    case "ECONNREFUSED":
      return new Failure(`cannot reach pmd at ${at}: nothing is listening there any more; start it with "pmd"`, exitCodes.unreachable);
    case "ENOTSOCK":
      return new Failure(`cannot reach pmd at ${at}: that is not a socket`, exitCodes.unreachable);
    case "EACCES":
    case "EPERM":
      return new Failure(`cannot reach pmd at ${at}: permission denied; ask for its owner or group, or say --socket`, exitCodes.notPermitted);
    case "ECONNRESET":
    case "EPIPE":
      return new Failure(`pmd at ${at} closed the connection before it had answered; look with "pmctl daemon status"`, exitCodes.unreachable);
    default:
      return new Failure(`cannot reach pmd at ${at}: ${safeText(error.rawMessage)}`, exitCodes.unreachable);
  }
}

/** pmd said no, and why. */
function refused(error: ConnectError): Failure | undefined {
  const [problem] = error.findDetails(ProblemSchema);
  const [info] = error.findDetails(ErrorInfoSchema);
  const violations = error.findDetails(BadRequestSchema).flatMap(({ fieldViolations }) => fieldViolations);
  if (violations.length > 0) {
    const lines = violations.map(({ field, description }) => safeText(field ? `${field}: ${description}` : description));
    const [only] = lines;
    if (lines.length === 1 && only) return new Failure(only, exitCodes.usage);
    return new Failure(`${lines.length} values are not valid`, exitCodes.usage, lines);
  }
  const reason = problem?.reason || info?.reason;
  if (!reason) return undefined;
  return new Failure(safeText(error.rawMessage || problem?.message || reason), exitCodeOf(reason), problem ? problemDetails(problem) : []);
}

const codeExits: Partial<Record<Code, ExitCode>> = {
  [Code.InvalidArgument]: exitCodes.usage,
  [Code.NotFound]: exitCodes.notFound,
  [Code.AlreadyExists]: exitCodes.conflict,
  [Code.PermissionDenied]: exitCodes.notPermitted,
  [Code.Unauthenticated]: exitCodes.notPermitted,
  [Code.Unavailable]: exitCodes.unreachable,
};

function byCode(error: ConnectError, { answerMs }: Surroundings): Failure {
  switch (error.code) {
    case Code.Canceled:
      return new Failure("interrupted", exitCodes.interrupted);
    case Code.DeadlineExceeded:
      return new Failure(`pmd did not answer within ${spokenDuration(answerMs)} (is it stopped?)`, exitCodes.unreachable);
    case Code.Unimplemented:
      return new Failure(`this pmd cannot do that: it is older than pmctl; compare them with "pmctl version"`);
    default:
      return new Failure(safeText(error.rawMessage), codeExits[error.code] ?? exitCodes.failed);
  }
}
