import { timingSafeEqual } from 'node:crypto'
import { type AddressSet, bearerToken, Counter, type NamedSecret, type Registry } from '@llm-ferry/kit'
import { FerryError } from '@llm-ferry/sdk'
import type { Middleware } from '../context.ts'
import { digestOf } from '../keys/digest.ts'
import { addressOf } from './auth.ts'
import { Throttle } from './throttle.ts'

export interface AdminAuthOptions {
  readonly adminTokens: readonly NamedSecret[]
  readonly trustedProxies: AddressSet
  readonly refusals: Refusals
}

/** Counts callers that were not let in. */
export type Refusals = (door: 'api' | 'admin', reason: 'unknown' | 'throttled') => void

export function createRefusals(registry: Registry): Refusals {
  const counter = new Counter({
    name: 'ferry_auth_refusals_total',
    help: 'Requests with a key or admin token that is not known, and those refused because there were too many of them.',
    labelNames: ['door', 'reason'] as const,
    registers: [registry],
  })
  return (door, reason) => counter.inc({ door, reason })
}

/** Wrong tokens from one address in a minute, after which it is refused whatever it shows. */
const MAX_FAILURES = 10
/** Requests with one token in a minute. */
const MAX_REQUESTS = 600

/** Lets pass who shows one of the admin tokens, as a Bearer token alone. Its name is the actor of what is done. */
export function adminAuth({ adminTokens, trustedProxies, refusals }: AdminAuthOptions): Middleware {
  const known = adminTokens.map(({ name, secret }) => ({ name, digest: digestOf(secret) }))
  const failures = new Throttle({ points: MAX_FAILURES, seconds: 60, message: 'Too many wrong admin tokens' })
  const requests = new Throttle({ points: MAX_REQUESTS, seconds: 60, message: 'Too many admin requests' })
  const throttled = async (check: Promise<void>): Promise<void> => {
    await check.catch((error: unknown) => {
      refusals('admin', 'throttled')
      throw error
    })
  }

  return async function adminAuth(context, next) {
    const address = addressOf(context, trustedProxies)
    await throttled(failures.check(address))
    const digest = digestOf(bearerToken(context.get('authorization')) ?? '')
    const actor = known.filter((token) => timingSafeEqual(token.digest, digest))[0]
    if (actor === undefined) {
      await throttled(failures.count(address))
      refusals('admin', 'unknown')
      throw new FerryError('authentication_failed', 'Send `Authorization: Bearer <BFF_ADMIN_TOKEN>`')
    }
    context.state.actor = actor.name
    await throttled(requests.count(actor.name))
    context.set('cache-control', 'no-store')
    await next()
  }
}
