import { timingSafeEqual } from 'node:crypto'
import type { Registry } from '@llm-ferry/kit'
import { FerryError } from '@llm-ferry/sdk'
import type { Middleware } from '../context.ts'

/** `GET /metrics` for who shows METRICS_TOKEN. */
export function metrics(registry: Registry, token: string): Middleware {
  const expected = Buffer.from(`Bearer ${token}`)
  return async function metrics(context) {
    const given = Buffer.from(context.get('authorization'))
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
      throw new FerryError('authentication_failed', 'Send `Authorization: Bearer <METRICS_TOKEN>`')
    }
    context.type = registry.contentType
    context.body = await registry.metrics()
  }
}
