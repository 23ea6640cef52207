import { stopOnSignal } from '@llm-ferry/kit'
import { startBff } from './bff.ts'
import { readConfig } from './config.ts'

/** Runs a BFF as this process's environment says, until a signal stops it. */
export async function runBff(): Promise<void> {
  const bff = await startBff(readConfig(process.env))
  stopOnSignal(bff, bff.log)
}
