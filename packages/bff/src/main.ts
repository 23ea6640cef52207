import { runMain } from '@llm-ferry/kit/main'

await runMain('bff', {
  start: async () => (await import('./run.ts')).runBff(),
  check: async () => (await import('./check/index.ts')).checkBff,
})
