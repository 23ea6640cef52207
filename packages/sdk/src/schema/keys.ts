import { z } from 'zod'

const count = (what: string) => z.int().nonnegative().optional().describe(what)
const money = (what: string) => z.number().nonnegative().optional().describe(what)

/** Limits of a key. What is absent is inherited from the server's configuration, or is not limited. */
export const KeyLimits = z
  .strictObject({
    requests_per_minute: count('Requests a minute per end user and vendor.'),
    requests_per_day: count('Requests a day per end user and vendor.'),
    key_requests_per_minute: count('Requests a minute of the key.'),
    key_requests_per_day: count('Requests a day of the key.'),
    tokens_per_minute: count('Tokens a minute of the key, prompt and answer.'),
    tokens_per_day: count('Tokens a day of the key.'),
    usd_per_day: money('US dollars a day of the key.'),
    usd_per_month: money('US dollars a month of the key.'),
    streams: count('Streams of the key at once.'),
  })
  .describe('Limits of a key. What is absent is inherited from the server’s configuration, or is not limited.')
export type KeyLimits = z.infer<typeof KeyLimits>

const NAME = /^[A-Za-z0-9._-]{1,64}$/
const MODEL = /^[a-z0-9][a-z0-9-]{0,31}\/.+$/
const modelPattern = z.string().max(256).regex(MODEL, 'must be vendor/model or vendor/*')
const moment = z.iso.datetime({ offset: true, error: 'must be a time such as 2027-01-01T00:00:00+08:00' })

/** Longest time that an answer is kept, in seconds: 30 days. */
const MAX_CACHE_SECONDS = 2_592_000

/** Whether a key’s answers are cached: never, as the server does by itself, or for so long and for whom. */
export const KeyCache = z
  .union([
    z.boolean(),
    z.strictObject({
      ttl_seconds: z
        .int()
        .positive()
        .max(MAX_CACHE_SECONDS)
        .optional()
        .describe('How long an answer is kept, in seconds. Default 3600.'),
      scope: z
        .enum(['user', 'key'])
        .optional()
        .describe('Who shares an answer: the key’s callers (default), or each end user alone.'),
    }),
  ])
  .describe('`false`: its answers are never cached; `true` or an object: they are, without its callers’ asking.')
export type KeyCache = z.infer<typeof KeyCache>

const shape = {
  name: z
    .string()
    .regex(NAME, 'must be letters, digits, dots, dashes and underscores, at most 64')
    .describe('Unique among all keys; may change.'),
  owner: z.string().max(256).describe('Whom to ask about it.'),
  models: z.array(modelPattern).max(256).describe('What it may use: `vendor/model` or `vendor/*`. Absent: everything.'),
  vendors: z.array(z.string().max(32)).max(64).describe('Vendors that it may use. Absent: all.'),
  ips: z.array(z.string().max(64)).max(256).describe('Addresses and CIDRs that it may be used from. Absent: any.'),
  limits: KeyLimits,
  tags: z.array(z.string().min(1).max(64)).max(32).describe('Words to find it by.'),
  labels: z
    .record(z.string().min(1).max(64), z.string().max(256))
    .refine((labels) => Object.keys(labels).length <= 32, 'must be at most 32')
    .describe('What stands beside its calls in the ledger.'),
  native: z
    .enum(['stateless', 'full'])
    .describe('On native routes: calls that leave nothing at the vendor (default), or everything.'),
  keep_reasoning: z.boolean().describe('Whether reasoning is kept for clients that drop it. Default true.'),
  cache: KeyCache,
  expires_at: moment.describe('When it stops to be known. Absent: never.'),
  disabled: z.boolean().describe('Whether it is refused. Default false.'),
}

/** What a key is made with. */
export const KeyCreate = z.strictObject({
  name: shape.name,
  ...z.strictObject(shape).omit({ name: true }).partial().shape,
})
export type KeyCreate = z.infer<typeof KeyCreate>

const clearable = <T extends z.ZodType>(field: T) => field.nullable().optional()

/** Changes of a key: each field replaces what was there; null takes it away. */
export const KeyUpdate = z.strictObject({
  name: shape.name.optional(),
  owner: clearable(shape.owner),
  models: clearable(shape.models),
  vendors: clearable(shape.vendors),
  ips: clearable(shape.ips),
  limits: clearable(shape.limits),
  tags: clearable(shape.tags),
  labels: clearable(shape.labels),
  native: shape.native.optional(),
  keep_reasoning: shape.keep_reasoning.optional(),
  cache: clearable(shape.cache),
  expires_at: clearable(shape.expires_at),
  disabled: shape.disabled.optional(),
})
export type KeyUpdate = z.infer<typeof KeyUpdate>

/** Longest time that an old secret goes on beside a new one, in seconds: a week. */
const MAX_OVERLAP_SECONDS = 604_800

/** How a key gets a new secret. */
export const KeyRotation = z.strictObject({
  overlap_seconds: z
    .int()
    .nonnegative()
    .max(MAX_OVERLAP_SECONDS)
    .default(0)
    .describe('How long the old secret goes on beside the new one, in seconds. Default 0: it is dead at once.'),
  revoke_sessions: z
    .boolean()
    .optional()
    .describe('Whether session tokens minted so far are dead. Default: they are, unless there is an overlap.'),
})
export type KeyRotation = z.input<typeof KeyRotation>

/** A key, without its secret. */
export const ApiKey = z
  .object({
    id: z.string().describe('Stays over renames and rotations.'),
    object: z.literal('key'),
    source: z.enum(['environment', 'file', 'api']).describe('Only keys of the admin API can be changed through it.'),
    ...z.object(shape).partial({ owner: true, models: true, vendors: true, ips: true, cache: true, expires_at: true })
      .shape,
    created_at: z.string().optional(),
    updated_at: z.string().optional(),
    secrets: z
      .array(
        z.object({
          hint: z.string().optional().describe('Its last four characters.'),
          created_at: z.string().optional(),
          expires_at: z.string().optional().describe('After a rotation: when it stops to be known.'),
        }),
      )
      .describe('The secrets that it is known by; never themselves.'),
    secret: z.string().optional().describe('The new secret. Only in the answer that makes it: it is kept nowhere.'),
  })
  .describe('A key.')
export type ApiKey = z.infer<typeof ApiKey>

/** Keys, by name. */
export const KeyList = z.object({
  object: z.literal('list'),
  data: z.array(ApiKey),
  has_more: z.boolean().describe('Whether there are more: ask again with `after`, the last one’s name.'),
})
export type KeyList = z.infer<typeof KeyList>

/** A key that is no more. Its usage can still be read. */
export const DeletedKey = z.object({ id: z.string(), object: z.literal('key'), deleted: z.literal(true) })
export type DeletedKey = z.infer<typeof DeletedKey>
