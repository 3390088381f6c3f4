import { expect, test } from "vitest";
import { parseSettings } from "../../src/settings.ts";

test("the limit for all logs is a size, and none unless it is given", () => {
  expect(parseSettings([], "1")).toMatchObject({ logTotalBytes: 0 });
  expect(parseSettings(["--log-total", "0"], "1")).toMatchObject({ logTotalBytes: 0 });
  expect(parseSettings(["--log-total", "10GiB"], "1")).toMatchObject({ logTotalBytes: 10 * 1024 ** 3 });
});

test("a limit that is no size, or so small that its unit was forgotten, is refused", () => {
  for (const text of ["much", "10", "-1", "1.5"]) {
    expect(() => parseSettings([`--log-total=${text}`], "1")).toThrow(`--log-total ${text}: give a size of 8KiB or more, such as 10GiB`);
  }
});
