import { afterEach, expect, test, vi } from "vitest";
import { SourceReader } from "../../../src/logs/source-reader.ts";
import { LogWriter } from "../../support/log-writer.ts";
import { makeTempDir } from "../../support/temp-dir.ts";

afterEach(() => vi.restoreAllMocks());

test("a line that comes in parts has the time of the first, however often somebody looked", async () => {
  await using dir = makeTempDir();
  const writer = new LogWriter(dir.path);
  const reader = new SourceReader(writer.source, { from: "oldest" });
  for (const [i, part] of ["t", "hr", "ee\n"].entries()) {
    vi.spyOn(Date, "now").mockReturnValue(1_000_000 + i * 1000);
    vi.spyOn(performance, "now").mockReturnValue(i * 1000);
    writer.write(part);
    expect(await reader.fill()).toBe(part.endsWith("\n"));
  }
  expect(reader.take()).toMatchObject({ entry: { bytes: Buffer.from("three"), timeMs: 1_000_000 }, end: 6 });
  await reader.close();
});
