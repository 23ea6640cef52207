import { findCredential, HEALTH_BUILD } from '@llm-ferry/kit'
import type { Context, Middleware } from '../context.ts'
import { type AuthOptions, addressOf, PLACES } from '../middleware/auth.ts'

/** `GET /health`: the process is alive. Who shows a key is told the version as well. */
export function health(callers: Pick<AuthOptions, 'ring' | 'failures' | 'trustedProxies'>): Middleware {
  return async function health(context) {
    const isKnown = await knows(callers, context)
    context.body = { status: 'ok', timestamp: new Date().toISOString(), ...(isKnown && HEALTH_BUILD) }
  }
}

async function knows(
  { ring, failures, trustedProxies }: Parameters<typeof health>[0],
  context: Context,
): Promise<boolean> {
  const credential = findCredential(context.req.rawHeaders, '', PLACES)
  if (credential.kind === 'fault') return false
  if (ring.find(credential.value) !== undefined) return true
  // Guesses made here count as elsewhere; the probe itself is answered.
  await failures.count(addressOf(context, trustedProxies)).catch(() => {})
  return false
}

/** `GET /ready`: new calls are taken; 503 while draining. */
export function ready(draining: () => boolean): Middleware {
  return async function ready(context) {
    context.status = draining() ? 503 : 200
    context.body = { status: draining() ? 'draining' : 'ok' }
  }
}
