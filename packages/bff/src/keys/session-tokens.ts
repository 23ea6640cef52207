import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { SessionLimits } from '@llm-ferry/sdk/schema'
import type { NativeScope } from './rules.ts'

/** What a session token says, in short names because every request carries it. */
export interface SessionClaims {
  /** Id of the key that it was minted with. */
  readonly k: string
  /** That key's generation then. */
  readonly g: string
  /** End user. */
  readonly u: string
  /** When it ends, in seconds since 1970. */
  readonly e: number
  /** Models, where they are fewer than the key's. */
  readonly m?: readonly string[] | undefined
  /** What native routes do for it; absent: nothing. */
  readonly n?: NativeScope | undefined
  /** Limits in the API's names. */
  readonly l?: SessionLimits | undefined
}

/** Where every session token begins; the number is the format's. */
const PREFIX = 'fst1.'

/**
 * Mints and reads session tokens: `fst1.PAYLOAD.MAC`, the payload as base64url JSON and HMAC-SHA256 over all before the
 * last dot. One algorithm and one issuer, so there is nothing that a token could choose (docs/decisions).
 */
export class SessionTokens {
  readonly #secrets: readonly string[]

  /** @param secrets the current one, which signs, then the previous one, which is still believed. */
  constructor(secrets: readonly string[]) {
    this.#secrets = secrets
  }

  /** Whether tokens can be minted. */
  get isOn(): boolean {
    return this.#secrets.length > 0
  }

  static isOne(credential: string): boolean {
    return credential.startsWith(PREFIX)
  }

  mint(claims: SessionClaims): string {
    // Two tokens for the same user are two tokens.
    const payload = Buffer.from(JSON.stringify({ ...claims, j: randomBytes(9).toString('base64url') }))
    const signed = `${PREFIX}${payload.toString('base64url')}`
    return `${signed}.${this.#mac(this.#secrets[0] ?? '', signed).toString('base64url')}`
  }

  /** What a token says; `undefined` when it is none of ours. Whether it has ended is for its reader to see. */
  read(token: string): SessionClaims | undefined {
    const end = token.lastIndexOf('.')
    const signed = token.slice(0, end)
    const mac = Buffer.from(token.slice(end + 1), 'base64url')
    const isOurs = this.#secrets.some((secret) => isSame(this.#mac(secret, signed), mac))
    if (!isOurs) return undefined
    return JSON.parse(Buffer.from(signed.slice(PREFIX.length), 'base64url').toString('utf8')) as SessionClaims
  }

  #mac(secret: string, text: string): Buffer {
    return createHmac('sha256', secret).update(text).digest()
  }
}

const isSame = (a: Buffer, b: Buffer): boolean => a.length === b.length && timingSafeEqual(a, b)
