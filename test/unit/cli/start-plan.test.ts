import { describe, expect, test } from "vitest";
import { planStart, type StartWords } from "../../../cli/start-plan.ts";

const files = new Set(["app.js", "./app.js", "jobs/tick.py", "web"]);

function plan(words: Partial<StartWords>) {
  return planStart({ operands: [], rest: undefined, name: undefined, shell: undefined, ...words }, (file) => files.has(file));
}

describe("start", () => {
  test.each([
    [["web"]],
    [["web", "api"]],
    [["web#1"]],
    [["prod/web"]],
    [["web-*"]],
    [["all"]],
    [[]],
    // A service may be called like a script that is not here.
    [["worker.js"]],
  ])("%j are names of services", (operands) => {
    expect(plan({ operands })).toEqual({ type: "start", names: operands });
  });

  test.each([
    ["./app.js", "app"],
    ["app.js", "app"],
    ["jobs/tick.py", "tick"],
    ["./nope.js", "nope"],
    ["/usr/bin/redis-server", "redis-server"],
    ["../bin/run.me", "run.me"],
  ])("%s is a program to make a service of, called %s", (word, name) => {
    expect(plan({ operands: [word] })).toEqual({ type: "create", name, program: { type: "program", word, args: [] } });
  });

  test("what stands behind -- are the arguments of a script", () => {
    expect(plan({ operands: ["app.js"], rest: ["--port", "80"] })).toMatchObject({
      name: "app",
      program: { word: "app.js", args: ["--port", "80"] },
    });
  });

  test("without a script, what stands behind -- is the program itself, and needs a name", () => {
    expect(plan({ name: "web", rest: ["node", "app.js"] })).toEqual({
      type: "create",
      name: "web",
      program: { type: "program", word: "node", args: ["app.js"] },
    });
    expect(() => plan({ rest: ["node", "app.js"] })).toThrow("--name");
  });

  test("--name makes a new one of any word", () => {
    expect(plan({ operands: ["web"], name: "front" })).toMatchObject({ type: "create", name: "front", program: { word: "web" } });
  });

  test("a shell line needs a name and no program", () => {
    expect(plan({ name: "tick", shell: "date", rest: ["a"] })).toEqual({
      type: "create",
      name: "tick",
      program: { type: "shell", line: "date", args: ["a"] },
    });
    expect(() => plan({ shell: "date" })).toThrow("--name");
    expect(() => plan({ name: "tick", shell: "date", operands: ["app.js"] })).toThrow("say one of them");
  });

  test("arguments without -- are refused with the way to say them", () => {
    expect(() => plan({ operands: ["app.js", "8080"] })).toThrow("pmctl start app.js -- 8080");
  });

  test("a name alone is nothing to run", () => {
    expect(() => plan({ name: "web" })).toThrow("say what to run");
    expect(() => plan({ rest: [] })).toThrow("say what to run");
  });
});
