import { z } from 'zod'

/** How finely a report is broken down: whole days, or also by hour, model or end user. */
export const USAGE_BREAKDOWNS = ['day', 'hour', 'model', 'user'] as const
export type UsageBreakdown = (typeof USAGE_BREAKDOWNS)[number]

const count = (what: string) => z.number().int().nonnegative().describe(what)

/** How finely a report of all keys is broken down. */
export const ADMIN_USAGE_BREAKDOWNS = [...USAGE_BREAKDOWNS, 'key'] as const
export type AdminUsageBreakdown = (typeof ADMIN_USAGE_BREAKDOWNS)[number]

/** One line of a usage report. */
export const UsageRow = z
  .object({
    day: z.string().describe('Such as `2026-11-22`, in the report’s time zone.'),
    hour: count('Hours since that day’s midnight; by hour.').optional(),
    user: z.string().optional().describe('End user; by user.'),
    vendor: z.string().optional().describe('Vendor; by hour, model and user.'),
    model: z.string().optional().describe('Model, in the vendor’s name for it; by hour, model and user.'),
    calls: count('Calls that were let in.'),
    failed_calls: count('Those of them that ended with an error.'),
    estimated_calls: count('Those whose tokens are an estimate, because the answer ended before the vendor’s count.'),
    unpriced_calls: count('Those whose cost nobody knows; it is not in `cost_usd`.'),
    cache_hits: count('Those answered from the cache; they took no tokens.'),
    prompt_tokens: count('Tokens read, cached ones included.'),
    cached_tokens: count('Tokens read from the vendors’ prompt caches.'),
    completion_tokens: count('Tokens written, reasoning included.'),
    reasoning_tokens: count('Tokens spent on reasoning.'),
    cost_usd: z.number().describe('What the priced calls cost, in US dollars.'),
    saved_usd: z.number().describe('What the answers from the cache would have cost, in US dollars.'),
  })
  .describe('One line of a usage report.')
export type UsageRow = z.infer<typeof UsageRow>

/** The answer of `GET /v1/usage`: what one key used on some days, oldest first. Days without a call have no line. */
export const UsageReport = z
  .object({
    object: z.literal('list'),
    from: z.string().describe('First day.'),
    to: z.string().describe('Last day, included.'),
    timezone: z.string().describe('IANA name of the zone whose days they are.'),
    by: z.enum(USAGE_BREAKDOWNS),
    data: z.array(UsageRow).describe('At most `limit` lines a day: those with the most calls.'),
    others: z
      .array(UsageRow)
      .optional()
      .describe('What is in no line of a day that has more of them; one for each such day.'),
  })
  .describe('What a key used.')
export type UsageReport = z.infer<typeof UsageReport>

/** The answer of `GET /admin/v1/usage`: what all keys used. */
export const AdminUsageReport = z
  .object({
    ...UsageReport.shape,
    by: z.enum(ADMIN_USAGE_BREAKDOWNS),
    data: z.array(
      z.object({
        ...UsageRow.shape,
        key: z.string().optional().describe('Id of the key; by key and user.'),
        key_name: z.string().optional().describe('Its name now, or its last one.'),
      }),
    ),
  })
  .describe('What all keys used.')
export type AdminUsageReport = z.infer<typeof AdminUsageReport>
