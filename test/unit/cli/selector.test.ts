import { describe, expect, test } from "vitest";
import { collect, collectPair } from "../../../cli/options.ts";
import { selectorForRead, selectorForVerb } from "../../../cli/selector.ts";
import { State } from "../../../gen/pm/v1/common_pb.ts";

describe("a selector", () => {
  test("takes names as they are: services, instances, patterns, other namespaces", () => {
    const names = ["web", "web#1", "web-*", "prod/db"];
    expect(selectorForVerb("stop", names, {})).toMatchObject({ names, all: false, namespace: "" });
  });

  test("the word all is the flag --all", () => {
    expect(selectorForVerb("stop", ["all"], {})).toEqual(selectorForVerb("stop", [], { all: true }));
    expect(() => selectorForVerb("stop", ["all", "web"], {})).toThrow("say one of them");
  });

  test("labels and states select without a name", () => {
    expect(selectorForVerb("stop", [], { label: { tier: "front" }, state: ["failed", "BACKOFF"], namespace: "prod" })).toEqual({
      names: [],
      namespace: "prod",
      labels: { tier: "front" },
      states: [State.FAILED, State.BACKOFF],
      all: false,
    });
  });

  test("a verb without any is refused, and told the way out", () => {
    expect(() => selectorForVerb("stop", [], {})).toThrow("pmctl stop NAME");
    expect(() => selectorForVerb("stop", [], { namespace: "prod" })).toThrow("--all");
  });

  test("a read without any is everything, or all of the namespace that was named", () => {
    expect(selectorForRead([], {})).toMatchObject({ all: true, namespace: "*" });
    expect(selectorForRead([], { namespace: "prod" })).toMatchObject({ all: true, namespace: "prod" });
    expect(selectorForRead([], { state: ["failed"] })).toMatchObject({ states: [State.FAILED], namespace: "*" });
    expect(selectorForRead(["web"], {})).toMatchObject({ names: ["web"], namespace: "" });
  });

  test("an unknown state is refused with those that there are", () => {
    expect(() => selectorForVerb("stop", [], { state: ["online"] })).toThrow(/"online" is no state.*running/);
  });

  test("options that may be repeated add up", () => {
    expect(collect("failed,backoff", ["stopped"])).toEqual(["stopped", "failed", "backoff"]);
    expect(collectPair("a=b=c", { x: "y" })).toEqual({ x: "y", a: "b=c" });
    expect(() => collectPair("tier")).toThrow("name=value");
  });
});
