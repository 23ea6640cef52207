import { FerryError } from '@llm-ferry/sdk'
import { ADMIN_USAGE_BREAKDOWNS } from '@llm-ferry/sdk/schema'
import { z } from 'zod'
import type { Middleware } from '../../context.ts'
import type { KeyAdmin } from '../../keys/admin.ts'
import { answerUsage, daysOf, linesADay, parseQuery, report, type UsageOptions } from '../usage.ts'

export interface AdminUsageOptions extends UsageOptions {
  readonly admin: KeyAdmin
}

/** Most sums, one for each key and day, that a report may read. */
const MAX_SUMS = 50_000

const query = z.strictObject({
  from: z.iso.date('must be a day such as 2026-11-22').optional(),
  to: z.iso.date('must be a day such as 2026-11-22').optional(),
  by: z.enum(ADMIN_USAGE_BREAKDOWNS).default('key'),
  limit: linesADay,
  format: z.enum(['json', 'csv']).default('json'),
  key: z.string().optional(),
  user: z.string().optional(),
})

/** `GET /admin/v1/usage?from=&to=&by=key|user|model|day|hour&key=&user=&limit=&format=json|csv`: what all keys used. */
export function adminUsage(options: AdminUsageOptions): Middleware {
  return async function adminUsage(context) {
    const { from, to, by, limit, format, key, user } = parseQuery(query, context.query)
    if (user !== undefined && by === 'hour') {
      throw new FerryError('invalid_request', '`by`: an end user’s hours are not kept: ask by day or model', {
        param: 'by',
      })
    }
    const names = await options.admin.names()
    const keys = key === undefined ? [...names.keys()] : [idOf(names, key)]
    const days = daysOf(from, to, options.quotaTimezone)
    if (keys.length * days.length > MAX_SUMS) {
      throw new FerryError(
        'invalid_request',
        `${keys.length} keys and ${days.length} days are too many: ask for fewer days, or one key`,
        { param: 'from' },
      )
    }
    const { rows, others } = await report(options.store, { keys, days, by, user }, limit)
    const named = rows.map((row) => (row.key === undefined ? row : { ...row, key_name: names.get(row.key) ?? row.key }))
    answerUsage(context, { rows: named, others, days, by, format }, options)
  }
}

/** An id, or the name of a key: of one that is there before one that was deleted. */
function idOf(names: ReadonlyMap<string, string>, key: string): string {
  if (names.has(key)) return key
  const found = [...names].findLast(([, name]) => name === key)
  if (found) return found[0]
  throw new FerryError('not_found', `There is no key "${key}"`, { param: 'key' })
}
