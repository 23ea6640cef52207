import { createServer } from 'node:net'
import { ConfigError } from '@llm-ferry/kit'

/** @throws {ConfigError} naming the variable when something listens on the port already. */
export async function requireFreePort(port: number, variable: string): Promise<void> {
  const server = createServer()
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, '127.0.0.1', resolve)
    })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EACCES')
      throw new ConfigError([`${variable} ${port} needs root: set ${variable} to a port above 1023`])
    throw new ConfigError([
      `${variable} ${port} is in use: stop what listens there, or set ${variable} to another port`,
    ])
  }
  await new Promise((resolve) => server.close(resolve))
}
