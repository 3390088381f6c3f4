import { defineConfig } from "vitest/config";

// One tier after another, each with what it may take at most. Nothing is tried twice: a flaky test is a bug.
const tier = (name: string, order: number, timeoutMs: number, { fileParallelism = true } = {}) => ({
  extends: true as const,
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    testTimeout: timeoutMs,
    hookTimeout: timeoutMs,
    globalSetup: ["test/support/test-run.ts"],
    fileParallelism,
    sequence: { groupOrder: order },
  },
});

export default defineConfig({
  test: {
    projects: [
      tier("unit", 0, 10_000),
      tier("integration", 1, 30_000),
      tier("e2e", 2, 60_000),
      tier("load", 3, 300_000, { fileParallelism: false }),
      tier("chaos", 4, 600_000, { fileParallelism: false }),
    ],
    maxWorkers: 2,
    pool: "forks",
    retry: 0,
    coverage: { include: ["src/**", "cli/**"], reporter: ["text-summary", "html"] },
  },
});
