import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { toFailure } from "../../../cli/errors.ts";
import { worstExitCode } from "../../../cli/problem.ts";
import { invalidFields, pmError } from "./fake-pmd.ts";

const surroundings = { socketPath: "/run/pmd/pmd.sock", answerMs: 30_000 };
const failureOf = (error: unknown) => toFailure(error, surroundings);

function systemError(code: string): ConnectError {
  return new ConnectError(code, Code.Unavailable, undefined, undefined, Object.assign(new Error(`connect ${code}`), { code }));
}

describe("an error of the connection", () => {
  test.each([
    ["ENOENT", 5, 'cannot reach pmd at /run/pmd/pmd.sock: no such socket; start it with "pmd", or say --socket'],
    ["ECONNREFUSED", 5, 'cannot reach pmd at /run/pmd/pmd.sock: nothing is listening there any more; start it with "pmd"'],
    ["ENOTSOCK", 5, "that is not a socket"],
    ["ECONNRESET", 5, "closed the connection"],
    ["EACCES", 8, "permission denied"],
    ["ELOOP", 5, "cannot reach pmd at /run/pmd/pmd.sock"],
  ])("%s exits with %d and says what to do", (code, exitCode, message) => {
    const failure = failureOf(systemError(code));
    expect(failure.exitCode).toBe(exitCode);
    expect(failure.message).toContain(message);
  });

  test("a pmd that does not answer is said to be stopped, not late", () => {
    const failure = failureOf(new ConnectError("the time for the answer is over", Code.DeadlineExceeded));
    expect(failure).toMatchObject({ exitCode: 5, message: "pmd did not answer within 30 s (is it stopped?)" });
  });
});

describe("a refusal", () => {
  test.each([
    ["NOT_FOUND", Code.NotFound, 4],
    ["INVALID_FIELD", Code.InvalidArgument, 2],
    ["EMPTY_SELECTOR", Code.InvalidArgument, 2],
    ["SHUTTING_DOWN", Code.Unavailable, 5],
    ["TIMED_OUT", Code.DeadlineExceeded, 6],
    ["ALREADY_EXISTS", Code.AlreadyExists, 7],
    ["GENERATION_MISMATCH", Code.Aborted, 7],
    ["SPAWN_FAILED", Code.FailedPrecondition, 1],
    ["STORE_UNAVAILABLE", Code.Unavailable, 1],
    ["SOMETHING_NEW", Code.Internal, 1],
  ] as const)("%s, of code %d, exits with %d", (reason, code, exitCode) => {
    expect(failureOf(pmError(code, reason, "why"))).toMatchObject({ exitCode, message: "why" });
  });

  test.each([
    [Code.PermissionDenied, 8],
    [Code.Unauthenticated, 8],
    [Code.NotFound, 4],
    [Code.InvalidArgument, 2],
    [Code.Internal, 1],
    [Code.Canceled, 130],
  ])("without a reason its code %d exits with %d", (code, exitCode) => {
    expect(failureOf(new ConnectError("why", code)).exitCode).toBe(exitCode);
  });

  test("the last lines of the program come along", () => {
    expect(failureOf(pmError(Code.FailedPrecondition, "EXITED_EARLY", "it ended", ["boom \u001b[31m", "bye"])).details).toEqual(["boom ", "bye"]);
  });

  test("all violations are listed, one alone without ado", () => {
    const two = failureOf(
      invalidFields([
        { field: "name", description: "too long" },
        { field: "spec.instances", description: "at most 1000" },
      ]),
    );
    expect(two).toMatchObject({ exitCode: 2, message: "2 values are not valid", details: ["name: too long", "spec.instances: at most 1000"] });
    expect(failureOf(invalidFields([{ field: "name", description: "too long" }]))).toMatchObject({ message: "name: too long", details: [] });
  });

  test("an RPC that pmd does not know is told as a difference of versions", () => {
    expect(failureOf(new ConnectError("unimplemented", Code.Unimplemented)).message).toContain("pmctl version");
  });
});

describe("several failures", () => {
  test("exit with what they have in common, else with 1", () => {
    expect(worstExitCode([])).toBe(0);
    expect(worstExitCode(["TIMED_OUT", "TIMED_OUT"])).toBe(6);
    expect(worstExitCode(["TIMED_OUT", "NOT_FOUND"])).toBe(1);
    expect(worstExitCode(["SURVIVORS"])).toBe(1);
  });
});
