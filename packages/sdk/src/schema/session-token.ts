import { z } from 'zod'

const count = (what: string) => z.int().nonnegative().optional().describe(what)
const money = (what: string) => z.number().nonnegative().optional().describe(what)

/** Limits of a session token's end user, each at most the key's own. */
export const SessionLimits = z
  .strictObject({
    requests_per_minute: count('Requests a minute per vendor.'),
    requests_per_day: count('Requests a day per vendor.'),
    tokens_per_minute: count('Tokens a minute, prompt and answer.'),
    tokens_per_day: count('Tokens a day.'),
    usd_per_day: money('US dollars a day.'),
    usd_per_month: money('US dollars a month.'),
  })
  .describe('Limits of the end user, each at most the key’s own.')
export type SessionLimits = z.infer<typeof SessionLimits>

/** What a session token is minted with. */
export const SessionTokenRequest = z.strictObject({
  user: z
    .string()
    .trim()
    .min(1)
    .max(256)
    .describe('End user of every call with the token, whatever a call says itself.'),
  expires_in: z
    .int()
    .min(1)
    .max(86_400)
    .optional()
    .describe('How long it lives, in seconds. Default 900, at most 86400; never longer than the key.'),
  limits: SessionLimits.optional(),
  models: z
    .array(
      z
        .string()
        .max(256)
        .regex(/^[a-z0-9][a-z0-9-]{0,31}\/.+$/, 'must be vendor/model or vendor/*'),
    )
    .max(32)
    .optional()
    .describe('What it may use, out of what the key may: `vendor/model` or `vendor/*`. Default: the same as the key.'),
  native: z
    .enum(['stateless', 'full'])
    .optional()
    .describe('What it may do on native routes, at most what the key may. Default: nothing.'),
})
export type SessionTokenRequest = z.infer<typeof SessionTokenRequest>

/** A token in place of a key, for one end user. */
export const SessionToken = z
  .object({
    object: z.literal('session_token'),
    token: z.string().describe('To be sent wherever a key is. Kept nowhere.'),
    user: z.string(),
    expires_at: z.string().describe('ISO 8601.'),
    expires_in: z.int().describe('Seconds from now.'),
  })
  .describe('A token in place of a key, for one end user.')
export type SessionToken = z.infer<typeof SessionToken>
