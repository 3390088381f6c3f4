import { defineConfig } from "vitest/config";

// One tier after another, each with what it may take at most. Nothing is tried twice: a flaky test is a bug.
const tier = (name: string, order: number, timeoutMs: number, { globalSetup = [] as string[], fileParallelism = true } = {}) => ({
  extends: true as const,
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    testTimeout: timeoutMs,
    hookTimeout: timeoutMs,
    globalSetup,
    fileParallelism,
    sequence: { groupOrder: order },
  },
});

/** pmd and pmctl as they are published: nearer to the truth than the sources, and they start in half the time. */
const built = ["test/support/build-programs.ts"];

export default defineConfig({
  test: {
    projects: [
      tier("unit", 0, 10_000),
      tier("integration", 1, 30_000),
      tier("e2e", 2, 60_000, { globalSetup: built }),
      tier("chaos", 3, 600_000, { globalSetup: built, fileParallelism: false }),
    ],
    maxWorkers: 2,
    pool: "forks",
    retry: 0,
    coverage: { include: ["src/**", "cli/**"], reporter: ["text-summary", "html"] },
  },
});
