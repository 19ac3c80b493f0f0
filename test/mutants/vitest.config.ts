import process from 'node:process';
import { defineConfig } from 'vitest/config';

/** The tests that scripts/mutants.ts names for the file it mutates. */
export default defineConfig({
  test: {
    include: (process.env.ONCEWARD_MUTANT_TESTS ?? '').split(',').map((name) => `test/core/${name}.test.ts`),
    setupFiles: ['test/mutants/setup.ts'],
    testTimeout: 20_000,
    passWithNoTests: false,
  },
});
