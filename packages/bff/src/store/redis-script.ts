import { createHash } from 'node:crypto'
import { type Cluster, Command, type Redis, ReplyError } from 'ioredis'
import type { RunScript } from './turns.ts'

/** A script that Redis is sent once, and knows by its digest from then on. */
export function createScript(client: Redis | Cluster, lua: string): RunScript {
  const digest = createHash('sha1').update(lua).digest('hex')
  return async (keys, args) => {
    const operands = [keys.length, ...keys, ...args]
    try {
      return await send(client, new Command('evalsha', [digest, ...operands], { replyEncoding: 'utf8' }))
    } catch (error) {
      if (!(error instanceof ReplyError && (error as Error).message.startsWith('NOSCRIPT'))) throw error
      return send(client, new Command('eval', [lua, ...operands], { replyEncoding: 'utf8' }))
    }
  }
}

/** V8 keeps what has gone through ioredis up to the next full collection; so that it is only a shell that it keeps. */
async function send(client: Redis | Cluster, command: Command): Promise<unknown> {
  try {
    return await client.sendCommand(command)
  } finally {
    command.args = []
    command.promise = OVER
    command.resolve = () => OVER
    command.reject = () => {}
  }
}

const OVER = Promise.resolve()
