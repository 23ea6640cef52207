import { runMain } from '@llm-ferry/kit/main'

await runMain('relay', async () => {
  const { runRelay } = await import('./run.ts')
  await runRelay(import.meta.filename)
})
