import { defineConfig } from 'vitest/config'

// Tests read the packages' source, as the services do in development.
const conditions = ['ferry-source', 'node', 'import', 'default']
const source = { resolve: { conditions }, ssr: { resolve: { conditions } } }

/** One suite: what `vitest --project NAME` runs. */
const suite = (name: string, include: string[], testTimeout = 10_000) => ({
  ...source,
  test: {
    name,
    include,
    testTimeout,
    hookTimeout: 30_000,
    environment: 'node' as const,
  },
})

export default defineConfig(({ mode }) => ({
  ...source,
  test: {
    // vitest leaves one core free; on two cores that is half of them, while most tests wait for sockets.
    maxWorkers: '100%',
    globalSetup: ['test/testkit/temp-folder.ts'],
    projects: [
      suite('unit', ['packages/*/test/**/*.test.ts', 'test/tools/**/*.test.ts']),
      suite('e2e', ['test/e2e/**/*.test.ts'], 30_000),
      suite('examples', ['test/examples/**/*.test.ts'], 60_000),
      suite('clients', ['test/clients/**/*.test.ts'], 30_000),
      suite('packages', ['test/packages/**/*.test.ts', 'test/browser/**/*.test.ts'], 60_000),
      suite('border', ['test/border/**/*.test.ts'], 120_000),
      suite('limits', ['test/limits/**/*.test.ts'], 60_000),
      suite('deploy', ['test/deploy/*.test.ts'], 60_000),
      // Need root and minutes: `npm run test:deploy` alone.
      ...(mode === 'docker'
        ? [
            suite('stacks', ['test/deploy/docker/*.test.ts']),
            suite('pods', ['test/deploy/kubernetes/*.test.ts'], 60_000),
          ]
        : []),
      suite('operations', ['test/operations/**/*.test.ts'], 60_000),
      suite('relay', ['test/relay/**/*.test.ts', 'test/soak/**/*.test.ts'], 60_000),
    ],
    coverage: {
      provider: 'v8',
      include: ['packages/*/src/**'],
      exclude: ['**/main.ts'],
      reporter: ['text-summary'],
    },
  },
}))
