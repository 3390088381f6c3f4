import { PmError } from "../errors.ts";
import { type Problem, shownPosition } from "./located.ts";

/** All that is wrong with the files of a manifest, in their order. */
export class InvalidManifest extends PmError {
  readonly problems: readonly Problem[];

  constructor(found: readonly Problem[], files: readonly string[]) {
    const problems = withoutRepetition(sort(found, files));
    const violations = problems.map(({ at, path, message }) => ({ field: `${shownPosition(at)}${path === "" ? "" : ` ${path}`}`, message }));
    super("INVALID_FIELD", violations.map(({ field, message }) => `${field}: ${message}`).join("; "), { violations });
    this.problems = problems;
  }
}

function sort(problems: readonly Problem[], files: readonly string[]): Problem[] {
  const order = new Map(files.map((file, index) => [file, index]));
  const rank = (file: string) => order.get(file) ?? files.length;
  return [...problems].sort(
    ({ at: a }, { at: b }) => rank(a.file) - rank(b.file) || (a.file < b.file ? -1 : a.file > b.file ? 1 : a.line - b.line || a.column - b.column),
  );
}

/** What is wrong with a default is wrong with each service. */
function withoutRepetition(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values()];
}
