import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Loading a model and running a network take seconds on a small machine that runs other tests beside.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Worker threads of the package itself are under test, so the tests have processes of their own.
    pool: 'forks',
  },
})
