import { reloadOnChange, stopOnSignal } from '@llm-ferry/kit'
import { startBff } from './bff.ts'
import { readConfig } from './config.ts'

/** Runs a BFF as this process's environment says, until a signal stops it. */
export async function runBff(): Promise<void> {
  const config = readConfig(process.env)
  const bff = await startBff(config)
  if (config.files.length > 0) reloadOnChange(config.files, () => bff.reload(readConfig(process.env)), bff.log)
  stopOnSignal(bff, bff.log)
}
