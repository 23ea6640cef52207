import { FerryError } from '@llm-ferry/sdk'
import { parseBody, SessionTokenRequest } from '@llm-ferry/sdk/schema'
import type { Middleware } from '../context.ts'
import { requireNarrower } from '../keys/narrow.ts'
import type { KeyRing } from '../keys/ring.ts'
import type { SessionTokens } from '../keys/session-tokens.ts'
import { readJson } from '../middleware/body.ts'

export interface SessionTokenOptions {
  readonly sessions: SessionTokens
  readonly ring: KeyRing
}

/** Largest body of a request for a token. */
const MAX_BYTES = 65_536

/** `POST /v1/session-tokens`: a token for one end user, in place of the key, for devices and browsers. */
export function sessionTokens({ sessions, ring }: SessionTokenOptions): Middleware {
  return async function sessionTokens(context) {
    const { caller } = context.state
    if (caller.isSession) throw new FerryError('permission_denied', 'A session token mints no others: use the key')
    if (!sessions.isOn) {
      const message = 'Session tokens are off on this server: its operator turns them on with SESSION_SECRET'
      throw new FerryError('not_found', message)
    }
    const key = ring.get(caller.key)
    if (key === undefined) throw new FerryError('authentication_failed', 'This API key is not known here')
    const asked = parseBody(SessionTokenRequest, await readJson(context, MAX_BYTES))
    requireNarrower(key, asked)
    const { user, expires_in = DEFAULT_SECONDS, models: m, native: n, limits: l } = asked
    const e = Math.floor(Date.now() / 1000) + expires_in
    const token = sessions.mint({ k: caller.key, g: key.record.generation, u: user, e, m, n, l })
    context.status = 201
    context.set('cache-control', 'no-store')
    context.body = { object: 'session_token', token, user, expires_at: new Date(e * 1000).toISOString(), expires_in }
  }
}

/** Long enough for a conversation, short enough for a device that is lost. */
const DEFAULT_SECONDS = 900
