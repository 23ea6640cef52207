import { Call } from './call.ts'
import { FerryError } from './errors.ts'
import type { CallOptions, Settings } from './options.ts'
import type { SessionLimits, SessionToken } from './schema/session-token.ts'

/** What a session token is minted with. */
export interface SessionTokenParams {
  /** End user of every call with the token, whatever a call says itself. */
  readonly user: string
  /** How long it lives, in seconds. Default 900, at most 86400. */
  readonly expires_in?: number | undefined
  /** Limits of the end user, each at most the key's own. */
  readonly limits?: SessionLimits | undefined
  /** What it may use, out of what the key may: `vendor/model` or `vendor/*`. Default: the same as the key. */
  readonly models?: readonly string[] | undefined
  /** What it may do on native routes, at most what the key may. Default: nothing. */
  readonly native?: 'stateless' | 'full' | undefined
}

/** Tokens in place of a key, for devices and browsers. */
export interface SessionTokens {
  /**
   * Mints a token for one end user. Call it on your server, with the key; the device or page gets the token alone.
   *
   * @example
   * const { token, expires_at } = await ferry.sessionTokens.create({ user: 'device-7', limits: { requests_per_day: 200 } })
   */
  create(params: SessionTokenParams, options?: CallOptions): Promise<SessionToken>
}

export function createSessionTokens(settings: Settings): SessionTokens {
  return {
    async create(params, options) {
      const target = { method: 'POST', path: '/v1/session-tokens', body: params } as const
      const { value, meta } = await new Call(settings, target, options).json()
      if (typeof value === 'object' && value !== null && 'token' in value) return value as SessionToken
      const { requestId } = meta
      throw new FerryError('upstream_invalid', 'The answer is no session token; is `baseURL` right?', { requestId })
    },
  }
}
