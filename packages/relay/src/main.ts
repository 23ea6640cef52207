import { runMain } from '@llm-ferry/kit/main'

await runMain('relay', {
  start: async () => (await import('./run.ts')).runRelay(import.meta.filename),
  check: async () => (await import('./check/index.ts')).checkRelay,
})
