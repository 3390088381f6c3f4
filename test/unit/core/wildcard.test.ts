import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseName } from "../../../src/core/names.ts";
import { matchesWildcard } from "../../../src/core/wildcard.ts";

describe("a wildcard", () => {
  it.each([
    ["web", "web", true],
    ["web", "web2", false],
    ["web-*", "web-1", true],
    ["web-*", "web-", true],
    ["web-*", "api-1", false],
    ["*", "", true],
    ["w?b", "web", true],
    ["w?b", "wb", false],
    ["*a*b", "xaxbxb", true],
    ["*a*b", "xaxbx", false],
    ["a.c", "abc", false],
  ])("%s on %s is %s", (pattern, text, expected) => {
    expect(matchesWildcard(pattern, text)).toBe(expected);
  });

  it("agrees with the regular expression that means the same", () => {
    const letter = fc.constantFrom("a", "b", "*", "?");
    const pattern = fc.array(letter, { maxLength: 8 }).map((letters) => letters.join(""));
    const text = fc.array(fc.constantFrom("a", "b"), { maxLength: 10 }).map((letters) => letters.join(""));
    fc.assert(
      fc.property(pattern, text, (pattern, text) => {
        const expression = new RegExp(`^${pattern.replaceAll("*", ".*").replaceAll("?", ".")}$`);
        expect(matchesWildcard(pattern, text)).toBe(expression.test(text));
      }),
      { numRuns: 2000 },
    );
  });
});

describe("a name", () => {
  it.each([
    ["web", { namespace: "default", name: "web" }],
    ["prod/web", { namespace: "prod", name: "web" }],
    ["web#3", { namespace: "default", name: "web", index: 3 }],
    ["prod/web-*#0", { namespace: "prod", name: "web-*", index: 0 }],
    ["", undefined],
    ["a/b/c", undefined],
    ["web#x", undefined],
    ["#1", undefined],
  ])("%s is %o", (text, expected) => {
    expect(parseName(text)).toEqual(expected);
  });
});
