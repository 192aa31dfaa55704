import { defineConfig } from 'vitest/config'

// .ci/run names a file here to count the results from; nobody else needs it.
const report = process.env.GRADC_TEST_REPORT

export default defineConfig({
  test: {
    setupFiles: ['./vitest.setup.ts'],
    include: ['tests/**/*.test.ts'],
    environment: 'node',
    pool: 'threads',
    testTimeout: 60_000,
    reporters: report ? ['default', ['json', { outputFile: report }]] : ['default'],
  },
})
