import { describe, expect, test } from "vitest";
import { findSocket } from "../../../cli/socket-path.ts";

const own = "/home/ann/.local/state/pmd/run/pmd.sock";
const session = "/run/user/1000/pmd/pmd.sock";
const system = "/run/pmd/pmd.sock";

function find({
  said,
  env = {},
  isRoot = false,
  sockets = [],
}: {
  said?: string;
  env?: Record<string, string>;
  isRoot?: boolean;
  sockets?: string[];
}): string {
  return findSocket(said, { env, home: "/home/ann", isRoot, exists: (place) => sockets.includes(place) });
}

describe("the socket", () => {
  test("what was said counts, then PMCTL_SOCK, whether it is there or not", () => {
    expect(find({ said: "/tmp/a.sock", env: { PMCTL_SOCK: "/tmp/b.sock" }, sockets: [system] })).toBe("/tmp/a.sock");
    expect(find({ env: { PMCTL_SOCK: "/tmp/b.sock" }, sockets: [system] })).toBe("/tmp/b.sock");
  });

  test("a user's own comes before the system's, and the one of the session first", () => {
    const env = { XDG_RUNTIME_DIR: "/run/user/1000" };
    expect(find({ env, sockets: [system, own, session] })).toBe(session);
    expect(find({ env, sockets: [system, own] })).toBe(own);
    expect(find({ env, sockets: [system] })).toBe(system);
  });

  test("for root the system's comes first", () => {
    expect(find({ isRoot: true, sockets: [system, own] })).toBe(system);
    expect(find({ isRoot: true, sockets: [own] })).toBe(own);
  });

  test("one that is longer than the kernel takes is refused", () => {
    expect(find({ said: `/${"x".repeat(106)}` })).toHaveLength(107);
    expect(() => find({ said: `/${"x".repeat(107)}` })).toThrow("longer than 107 bytes");
  });

  test("where there is none, the error will name the place where pmd would listen", () => {
    expect(find({})).toBe(own);
    expect(find({ isRoot: true })).toBe(system);
  });
});
