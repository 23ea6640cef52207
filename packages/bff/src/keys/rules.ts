import { fields, parseCidr } from '@llm-ferry/kit'
import { z } from 'zod'
import { type CacheText, keyCacheSchema } from '../cache/policy.ts'
import { type LimitsText, limitsSchema } from '../limits/policy-schema.ts'

/** How far a key may go on native routes. */
export const NATIVE_SCOPES = ['stateless', 'full'] as const
export type NativeScope = (typeof NATIVE_SCOPES)[number]

/** What a key may do, wherever it is written down. What is absent is not restricted. */
export interface KeyRules {
  /** Whom to ask about it. */
  readonly owner?: string | undefined
  /** `vendor/model`, or `vendor/*`. */
  readonly models?: readonly string[] | undefined
  readonly vendors?: readonly string[] | undefined
  /** Addresses and CIDRs that it may be used from. */
  readonly ips?: readonly string[] | undefined
  readonly limits: LimitsText
  /** Words to find it by. */
  readonly tags: readonly string[]
  /** What stands beside its calls in the ledger. */
  readonly labels: Readonly<Record<string, string>>
  /** What native routes do for it: calls that leave nothing at the vendor, or everything. */
  readonly native: NativeScope
  /** Whether reasoning is kept for clients that do not send it back. */
  readonly keepReasoning: boolean
  /** Whether its answers are cached. */
  readonly cache?: CacheText | undefined
  /** ISO 8601. */
  readonly expiresAt?: string | undefined
  readonly disabled: boolean
}

/** A key of the configuration file. */
export interface KeyConfig extends KeyRules {
  /** `sha256:HEX` of its secrets; absent: they stand in BFF_KEYS. */
  readonly hash?: readonly string[] | undefined
}

const MODEL = /^[a-z0-9][a-z0-9-]{0,31}\/.+$/
const HASH = /^sha256:[0-9a-f]{64}$/

const hashSchema = z.string().regex(HASH, 'must be sha256: and 64 hexadecimal digits, as `sha256sum` writes them')

/** A key's name: what stands before the colon in BFF_KEYS. */
export const keyNameSchema: z.ZodType<string, string> = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,64}$/, 'must be a name of letters, digits, dots, dashes and underscores, at most 64')

/** An address or CIDR. */
const networkSchema: z.ZodType<string> = z.string().refine(isNetwork, 'must be an address or a CIDR such as 10.0.0.0/8')

/** Whether it is an address or a CIDR. */
export function isNetwork(text: string): boolean {
  try {
    parseCidr(text)
    return true
  } catch {
    return false
  }
}

/** A key as the configuration file writes it. */
export const keyRulesSchema: z.ZodType<KeyConfig> = fields({
  hash: z
    .preprocess((hash) => (typeof hash === 'string' ? [hash] : hash), z.array(hashSchema).min(1).max(5).optional())
    .optional()
    .describe('SHA-256 of its secret, or of several. Absent: the secret stands in BFF_KEYS.'),
  owner: z.string().max(256).optional(),
  models: z.array(z.string().regex(MODEL, 'must be vendor/model or vendor/*')).optional(),
  vendors: z.array(z.string()).optional(),
  ips: z.array(networkSchema).optional(),
  limits: limitsSchema.default({}),
  tags: z.array(z.string().min(1).max(64)).max(32).default([]),
  labels: z.record(z.string().min(1).max(64), z.string().max(256)).default({}),
  native: z.enum(NATIVE_SCOPES).default('stateless'),
  keepReasoning: z.boolean().default(true),
  cache: keyCacheSchema.optional(),
  expiresAt: z.iso.datetime({ offset: true, error: 'must be a time such as 2027-01-01T00:00:00+08:00' }).optional(),
  disabled: z.boolean().default(false),
})
