import type { Logger } from '@llm-ferry/kit'
import type { DefaultContext, ParameterizedContext } from 'koa'
import type { KeyedCall } from './idempotency/keyed-call.ts'
import type { Access } from './keys/access.ts'
import type { NativeScope } from './keys/rules.ts'
import type { LimitPolicy } from './limits/policy.ts'

/** Who calls: the key, and on whose behalf. */
export interface Caller {
  /** Id of the BFF key: the same over renames and rotations. All that is kept for a caller is kept by it. */
  readonly key: string
  /** The key's name, for people. */
  readonly keyName: string
  /** End user: `x-ferry-user`, else the body's `safety_identifier` or `user` (`endUser`), else the key itself. */
  readonly user: string
  readonly policy: LimitPolicy
  readonly access: Access
  /** What native routes do for it. */
  readonly native: NativeScope | 'none'
  /** It shows a session token: its end user is final, and it mints none. */
  readonly isSession: boolean
  /** What stands beside its calls in the ledger. */
  readonly labels: Readonly<Record<string, string>>
}

/** For whom a call is made: what everything that is kept for it is scoped by. */
export type Party = Pick<Caller, 'key' | 'user'>

/** What is known of a call when its answer has gone; the access line and the metrics are written from it. */
export interface CallFacts {
  /** The route's pattern, such as `/v1/chat/completions`. */
  route?: string
  /** Name of the BFF key; a field named `key` would be blanked in the log. */
  keyName?: string
  vendor?: string
  model?: string
  relay?: string
  attempts?: number
  /** Whether the answer came from the cache; absent when that was not asked. */
  cache?: 'hit' | 'miss'
  /** What an answer from the cache would have cost, in billionths of a US dollar; absent: not known. */
  savedNanos?: number
  stream?: boolean
  /** The connection became a WebSocket. */
  upgraded?: boolean
  /** Error code when the call failed, also in mid-stream. */
  error?: string
  /** Seconds from the request's arrival to the first byte of the answer's content. */
  firstByteSeconds?: number
  promptTokens?: number
  completionTokens?: number
  /** The tokens are our estimate: the answer broke off before the vendor’s count. */
  estimated?: boolean
}

/** State that middleware adds to a request. */
export interface State {
  requestId: string
  log: Logger
  /** `performance.now()` at arrival. */
  arrivedAt: number
  facts: CallFacts
  caller: Caller
  /** Throws when the credential that was shown is no longer good, for what lasts longer than a request. */
  requireStanding: () => void
  /** Name of the admin token, on admin routes. */
  actor?: string
  /** The request's body, where something had to read it before its route. */
  body?: Buffer
  /** The call with an Idempotency-Key that is made here. */
  call?: KeyedCall
}

/** The Koa context of this app. */
export type Context = ParameterizedContext<State, DefaultContext>

/** A middleware of this app. */
export type Middleware = (context: Context, next: () => Promise<void>) => Promise<void>
