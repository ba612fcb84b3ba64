import { defineConfig } from 'vitest/config'

// `--mode all` (`npm run test:all`) adds *.slow.test.ts.
export default defineConfig(({ mode }) => ({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: mode === 'all' ? [] : ['test/**/*.slow.test.ts'],
    // Limits end what hangs; they are far above what a busy machine needs.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Worker threads of the package itself are under test, so the tests have processes of their own.
    pool: 'forks',
    maxWorkers: '100%',
    // Node itself loads the build, as in programs: coverage then counts threads and other processes too.
    server: { deps: { external: [/\/dist\//] } },
  },
}))
