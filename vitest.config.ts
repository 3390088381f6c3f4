import { defineConfig } from "vitest/config";

// One tier after another, each with what it may take at most. Nothing is tried twice: a flaky test is a bug.
const tier = (name: string, order: number, timeoutMs: number, parallel: boolean) => ({
  extends: true as const,
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    testTimeout: timeoutMs,
    hookTimeout: timeoutMs,
    fileParallelism: parallel,
    sequence: { groupOrder: order },
  },
});

export default defineConfig({
  test: {
    projects: [
      tier("unit", 0, 10_000, true), //
      tier("integration", 1, 30_000, true),
      tier("e2e", 2, 60_000, true),
      tier("chaos", 3, 600_000, false),
    ],
    maxWorkers: 2,
    pool: "forks",
    retry: 0,
    coverage: { include: ["src/**", "cli/**"], reporter: ["text-summary", "html"] },
  },
});
