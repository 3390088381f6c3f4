import { describe, expect, test } from "vitest";
import { parseSize } from "../../../src/core/size.ts";

describe("a size", () => {
  test.for([
    ["0", 0],
    ["4096", 4096],
    ["17B", 17],
    ["1k", 1024],
    ["512M", 512 * 1024 ** 2],
    ["512m", 512 * 1024 ** 2],
    ["10MiB", 10 * 1024 ** 2],
    ["1.5GiB", 1.5 * 1024 ** 3],
    ["1 GiB", 1024 ** 3],
    ["2T", 2 * 1024 ** 4],
    ["100kB", 100_000],
    ["1MB", 1_000_000],
    ["1.5GB", 1_500_000_000],
    ["1tb", 1e12],
  ] as const)("%s is %d bytes", ([text, bytes]) => expect(parseSize(text)).toBe(bytes));

  test.for(["", "M", "-1", "1e3", "1.5", "0.1M", "10 MiB extra", "10  M", "10X", "10constructor", "0x10", "1_000", "99999999T", " 1", "1\n"])(
    "%j is none",
    (text) => expect(parseSize(text)).toBeUndefined(),
  );
});
