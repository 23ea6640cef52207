import { runMain } from '@llm-ferry/kit/main'

await runMain('bff', async () => {
  const { runBff } = await import('./run.ts')
  await runBff()
})
