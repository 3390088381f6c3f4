/** What is known of a test in which things were killed: from the services themselves, from pmd's answers, and from whoever killed. */
export type Fact =
  /** A service wrote down that it lives, and holds the lock of its instance. */
  | { readonly type: "began"; readonly instance: string; readonly run: string; readonly pid: number }
  /** A service found the lock of its instance taken. */
  | { readonly type: "twin"; readonly instance: string; readonly run: string }
  /** A service wrote down the code that it is about to end with. */
  | { readonly type: "ending"; readonly instance: string; readonly run: string; readonly code: number }
  /** The test killed a process of this run, or its shim, and so knows why it ended. */
  | { readonly type: "killed"; readonly run: string; readonly what: "service" | "shim" }
  /** pmd was asked to end runs of this instance. A pmd that died meanwhile does not tell the next one which signals were its own. */
  | { readonly type: "asked"; readonly instance: string }
  /** pmd says that the run is over. */
  | { readonly type: "recorded"; readonly instance: string; readonly run: string; readonly cause: string; readonly code?: number }
  /** So many of this service shall run at the end, and these do. */
  | { readonly type: "wanted"; readonly instance: string; readonly count: number; readonly pids: readonly number[] }
  /** Its numbered lines, as they are in its log; so many of the lines may have gone with a pump that was killed. */
  | ({ readonly type: "output"; readonly path: string; readonly excused: number } & Output)
  /** A process that is nobody's business was hurt. */
  | { readonly type: "bystander-died"; readonly pid: number }
  /** What was there after the last stop. */
  | { readonly type: "left"; readonly what: string };

export interface Output {
  readonly missing: number;
  readonly doubled: number;
  readonly disordered: number;
  readonly torn: number;
  /** That the log itself speaks of. */
  readonly gaps: number;
}

type FactOf<T extends Fact["type"]> = Extract<Fact, { type: T }>;

/** Causes that pmd may give for an end that it brought about. */
const byPmd = ["stopped_by_request", "replaced", "start_timeout"];

/** Says what of the promises was broken, a line each. */
export function checkHistory(facts: readonly Fact[]): string[] {
  const of = <T extends Fact["type"]>(type: T) => facts.filter((fact): fact is FactOf<T> => fact.type === type);
  const recorded = Map.groupBy(of("recorded"), ({ run }) => run);
  const killed = Map.groupBy(of("killed"), ({ run }) => run);
  return [
    ...of("twin").map(({ instance, run }) => `${instance}: run ${run} met another`),
    ...[...recorded].filter(([, ends]) => ends.length > 1).map(([run, ends]) => `run ${run}: its end is recorded ${ends.length} times`),
    ...of("recorded").flatMap((end) =>
      judgeEnd(end, { began: of("began"), endings: of("ending"), killed: killed.get(end.run) ?? [], asked: of("asked") }),
    ),
    ...of("ending").flatMap(({ run, code }) => (recorded.has(run) ? [] : [`run ${run}: its end with ${code} is forgotten`])),
    ...of("killed").flatMap(({ run, what }) => (what === "service" && !recorded.has(run) ? [`run ${run}: its kill is forgotten`] : [])),
    ...of("wanted").flatMap(({ instance, count, pids }) =>
      pids.length === count ? [] : [`${instance}: ${pids.length} run instead of ${count} (${pids.join(" ")})`],
    ),
    ...of("output").flatMap(judgeOutput),
    ...of("bystander-died").map(({ pid }) => `process ${pid} was signalled, and is nobody's`),
    ...of("left").map(({ what }) => `left after the stop: ${what}`),
  ];
}

interface Circumstances {
  readonly began: readonly FactOf<"began">[];
  readonly endings: readonly FactOf<"ending">[];
  readonly killed: readonly FactOf<"killed">[];
  readonly asked: readonly FactOf<"asked">[];
}

function judgeEnd({ instance, run, cause, code }: FactOf<"recorded">, { began, endings, killed, asked }: Circumstances): string[] {
  const ending = endings.find((fact) => fact.run === run);
  const shimKilled = killed.some(({ what }) => what === "shim");
  if (cause === "lost") {
    if (code !== undefined) return [`run ${run}: lost, and yet has the code ${code}`];
    return began.some((fact) => fact.run === run) && !shimKilled ? [`run ${run}: lost, though nobody killed its shim`] : [];
  }
  if (code === 0 && !ending) return [`run ${run}: taken for a success, and nobody saw it end`];
  if (ending) return ending.code === code ? [] : [`run ${run}: recorded with ${code}, and it ended with ${ending.code}`];
  if (killed.length > 0 || byPmd.includes(cause) || asked.some((fact) => fact.instance === instance)) return [];
  if (!began.some((fact) => fact.run === run)) return [];
  return [`run ${run}: died of something else than itself (${cause} ${code ?? ""})`];
}

function judgeOutput({ path, missing, doubled, disordered, torn, gaps, excused }: FactOf<"output">): string[] {
  const said = (count: number, word: string) => (count > 0 ? [`${path}: ${count} lines ${word}`] : []);
  return [
    ...said(missing > excused ? missing : 0, "missing"),
    ...said(doubled, "doubled"),
    ...said(disordered, "out of order"),
    // On either side of a gap.
    ...said(torn > 2 * gaps ? torn : 0, "torn"),
    ...(missing > 0 && gaps === 0 ? [`${path}: lines missing, and nothing says so`] : []),
  ];
}
