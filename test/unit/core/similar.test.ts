import { expect, test } from "vitest";
import { findSimilar } from "../../../src/core/similar.ts";

const keys = ["command", "environment", "env", "env_file", "restart", "instances", "stop", "start"];

test.for([
  ["comand", ["command"]],
  ["commnad", ["command"]],
  ["Restrat", ["restart"]],
  ["instance", ["instances"]],
  ["enviroment", ["environment"]],
  ["evn", ["env"]],
  ["stpo", ["stop"]],
  ["port", []],
  ["health", []],
  ["x", []],
  ["", []],
] as [string, string[]][])("%s could have been meant as %j", ([text, similar]) => {
  expect(findSimilar(text, keys)).toEqual(similar);
});
