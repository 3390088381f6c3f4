import { describe, expect, it } from "vitest";
import { checkHistory, type Fact } from "../../support/check-history.ts";

const began = { type: "began", instance: "web#0", run: "r1", pid: 7 } as const;
const ending = { type: "ending", instance: "web#0", run: "r1", code: 3 } as const;
const recorded = { type: "recorded", instance: "web#0", run: "r1", cause: "exited", code: 3 } as const;
const lost = { type: "recorded", instance: "web#0", run: "r1", cause: "lost" } as const;
const output = { type: "output", path: "out.log", missing: 0, doubled: 0, disordered: 0, torn: 0, gaps: 0, excused: 0 } as const;

describe("a history is in order", () => {
  it.each<[string, Fact[]]>([
    ["when an end is recorded once, with its code", [began, ending, recorded]],
    ["when an end was asked for", [began, { ...recorded, cause: "stopped_by_request", code: 143 }]],
    ["when pmd was asked for the end, and died over it", [began, { type: "asked", instance: "web#0" }, { ...recorded, cause: "signalled" }]],
    ["when the test killed the service, and that is recorded", [began, { type: "killed", run: "r1", what: "service" }, { ...recorded, code: 137 }]],
    ["when the end of a run whose shim was killed is lost", [began, ending, { type: "killed", run: "r1", what: "shim" }, lost]],
    ["when a run that never began is lost", [lost]],
    ["when as many run as are wanted", [{ type: "wanted", instance: "web#0", count: 1, pids: [7] }]],
    ["when a killed pump took lines with it, and a gap says so", [{ ...output, missing: 10, torn: 2, gaps: 1, excused: 100 }]],
  ])("%s", (_, facts) => {
    expect(checkHistory(facts)).toEqual([]);
  });
});

describe("a history is not in order", () => {
  it.each<[string, Fact[], RegExp]>([
    ["when one of an instance met another", [{ type: "twin", instance: "web#0", run: "r2" }], /met another/],
    ["when an end is recorded twice", [began, ending, recorded, recorded], /2 times/],
    ["when an end is forgotten", [began, ending], /forgotten/],
    ["when a kill is forgotten", [began, { type: "killed", run: "r1", what: "service" }], /kill is forgotten/],
    ["when an end has another code", [began, ending, { ...recorded, code: 0 }], /recorded with 0/],
    ["when a lost end has a code", [began, { type: "killed", run: "r1", what: "shim" }, { ...lost, code: 0 }], /lost, and yet/],
    ["when a killed run is taken for a success", [began, { type: "killed", run: "r1", what: "shim" }, { ...recorded, code: 0 }], /for a success/],
    ["when an end is lost though its shim lived", [began, ending, lost], /nobody killed its shim/],
    ["when a service died that nobody touched", [began, { ...recorded, cause: "signalled", code: 137 }], /something else/],
    ["when none runs that is wanted", [{ type: "wanted", instance: "web#0", count: 1, pids: [] }], /0 run instead of 1/],
    ["when two run where one is wanted", [{ type: "wanted", instance: "web#0", count: 1, pids: [7, 8] }], /2 run instead of 1/],
    ["when a line is missing", [{ ...output, missing: 1, gaps: 1 }], /1 lines missing/],
    ["when more is missing than a pump had in hand", [{ ...output, missing: 101, gaps: 1, excused: 100 }], /101 lines missing/],
    ["when lines are missing and no gap says so", [{ ...output, missing: 1, excused: 100 }], /nothing says so/],
    ["when a line is doubled", [{ ...output, doubled: 1 }], /1 lines doubled/],
    ["when lines are out of order", [{ ...output, disordered: 1 }], /1 lines out of order/],
    ["when a line is torn without a gap", [{ ...output, torn: 1 }], /1 lines torn/],
    ["when a bystander was hurt", [{ type: "bystander-died", pid: 9 }], /nobody's/],
    ["when something is left", [{ type: "left", what: "7 sleep" }], /left after the stop: 7 sleep/],
  ])("%s", (_, facts, violation) => {
    expect(checkHistory(facts)).toEqual([expect.stringMatching(violation)]);
  });
});
