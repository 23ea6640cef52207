import { runMain, stopOnSignal } from '@llm-ferry/kit'
import { startBff } from './bff.ts'
import { readConfig } from './config.ts'

await runMain('bff', async () => {
  const bff = await startBff(readConfig(process.env))
  stopOnSignal(bff, bff.log)
})
